package xftp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/internal/fault"
	"github.com/sotto-chat/sotto/core/wire"
)

// childTask and childDir tell a process of this test that it is a child, which another test ends with
// kill -9, and where its files are.
const (
	childTask = "XFTP_TEST_CHILD"
	childDir  = "XFTP_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childTask) {
	case "":
		fault.Report(func(e *fault.Error) { panic(e) })
		goleak.VerifyTestMain(m)
	case "upload":
		runChild(childUpload)
	case "download":
		runChild(childDownload)
	}
}

func runChild(task func(pool *Pool, file func(string) string) error) {
	dir := os.Getenv(childDir)
	pool := NewPool(Config{})
	if err := task(pool, func(name string) string { return filepath.Join(dir, name) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("done")
}

// childUpload goes on with the upload of the file "encrypted" and keeps its state in files.
func childUpload(pool *Pool, file func(string) string) error {
	plan, err := os.ReadFile(file("plan"))
	if err != nil {
		return err
	}
	up := new(Upload)
	if err := up.UnmarshalBinary(plan); err != nil {
		return err
	}
	for i := range up.Chunks {
		state, err := os.ReadFile(file("chunk" + strconv.Itoa(i)))
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			return err
		}
		if err := up.RestoreChunk(i, state); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(file("relays"))
	if err != nil {
		return err
	}
	options := UploadOptions{Save: func(chunk int, state []byte) error {
		temp := file("chunk.new")
		if err := os.WriteFile(temp, state, 0o600); err != nil {
			return err
		}
		if err := os.Rename(temp, file("chunk"+strconv.Itoa(chunk))); err != nil {
			return err
		}
		fmt.Println("saved")
		return nil
	}}
	for _, line := range strings.Fields(string(text)) {
		server, err := wire.ParseServer(line)
		if err != nil {
			return err
		}
		options.Relays = append(options.Relays, Relay{Server: server})
	}
	f, err := os.Open(file("encrypted"))
	if err != nil {
		return err
	}
	if err := up.Run(context.Background(), pool, f, options); err != nil {
		return err
	}
	_, list, err := up.Descriptions()
	if err != nil {
		return err
	}
	return os.WriteFile(file("description"), []byte(list[0].String()), 0o600)
}

// childDownload goes on with the download of the file "download".
func childDownload(pool *Pool, file func(string) string) error {
	text, err := os.ReadFile(file("description"))
	if err != nil {
		return err
	}
	d, err := ParseDescription(text)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file("download"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	var before int64
	return Download(context.Background(), pool, d, f, Options{Parallel: 1, Progress: func(p Progress) {
		if p.Done > before { // a chunk, or a part of one
			fmt.Println("moved")
		}
		before = p.Done
	}})
}
