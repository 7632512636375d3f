// Package s3 keeps the chunks of a file relay in a bucket of an S3-compatible object store, for
// operators who outgrow one machine:
//
//	store, err := s3.Open(ctx, s3.Config{Endpoint: "https://s3.example.org", Bucket: "chunks", …})
//	defer store.Close()
//	server, err := files.Open(dir, files.Config{Store: store})
//
// The object store sees encrypted chunks under random names, when they come and go, and the
// addresses of the relay only.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sotto-chat/sotto/core/relay/files"
)

// Config tells where the chunks are.
type Config struct {
	Endpoint  string // https://host[:port], or http:// within a network that is trusted
	Region    string // empty if the store has none
	Bucket    string // must exist
	Prefix    string // of the names in the bucket, empty for none
	AccessKey string
	SecretKey string
}

// Errors of a Config.
var (
	ErrEndpoint = errors.New("the address of an object store looks like https://s3.example.org")
	ErrBucket   = errors.New("the object store has no such bucket, or the key may not use it")
)

// A Store keeps chunks as objects. It implements files.Store.
type Store struct {
	core      *minio.Core
	transport *http.Transport
	bucket    string
	prefix    string
}

var _ files.Store = (*Store)(nil)

// maxRetries bounds how often a request is tried that failed for no fault of its own: a client waits
// for the answer.
const maxRetries = 3

// Open connects with an object store and makes sure that the bucket is there.
func Open(ctx context.Context, c Config) (*Store, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, ErrEndpoint
	}
	secure := u.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:     secure,
		Region:     c.Region,
		Transport:  transport,
		MaxRetries: maxRetries,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	s := &Store{core: core, transport: transport, bucket: c.Bucket, prefix: c.Prefix}
	ok, err := core.BucketExists(ctx, c.Bucket)
	if err == nil && !ok {
		err = ErrBucket
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	return s, nil
}

// Close closes the connections that are open.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Put is part of files.Store. The object is there when all of r was read, and not before.
func (s *Store) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	_, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+name, struct{ io.Reader }{r}, size, minio.PutObjectOptions{
		ContentType:      "application/octet-stream",
		DisableMultipart: true, // it would hold parts in memory
	})
	if err != nil {
		return fmt.Errorf("storing an object: %w", err)
	}
	return nil
}

// Get is part of files.Store.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	return r, nil
}

// Delete is part of files.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.core.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
	if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchKey {
		return fmt.Errorf("deleting an object: %w", err)
	}
	return nil
}

// List is part of files.Store.
func (s *Store) List(ctx context.Context, f func(name string) error) error {
	for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("listing objects: %w", o.Err)
		}
		if err := f(strings.TrimPrefix(o.Key, s.prefix)); err != nil {
			return err
		}
	}
	return ctx.Err()
}
