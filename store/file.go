package store

import (
	"fmt"
	"time"

	kept "github.com/sotto-chat/sotto/store/blob"
)

// File is the file of an item, and how far it is on its way.
type File struct {
	Item        int64
	Description string // as much of it as has come
	Part        int    // the number of its last part that has
	Complete    bool
	AnyRelay    bool   // it may be downloaded from relays that are not known
	SaveTo      string // where a copy is to be put when it is here, empty for nowhere
	Work        string // the name of the file that is encrypted for its recipient, empty for none
	Upload      []byte // what is known of that, nil for nothing
	Blob        kept.Ref
}

const fileColumns = `item, description, part, complete, any_relay, save_to, work, upload, blob, blob_key, blob_size`

// InsertFile stores the file of an item.
func (tx *Tx) InsertFile(f *File) error {
	_, err := tx.Exec(`INSERT INTO files (`+fileColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.Item, f.Description, f.Part, f.Complete, f.AnyRelay, f.SaveTo, f.Work, f.Upload, f.Blob.Name, f.Blob.Key, f.Blob.Size)
	if err != nil {
		return fmt.Errorf("store: adding a file: %w", err)
	}
	return nil
}

// SaveFile stores what changes in a file. The error is ErrNotFound if its item is not there any more.
func (tx *Tx) SaveFile(f *File) error {
	res, err := tx.Exec(`UPDATE files SET description = ?, part = ?, complete = ?, any_relay = ?, save_to = ?, work = ?, upload = ?, blob = ?, blob_key = ?, blob_size = ? WHERE item = ?`,
		f.Description, f.Part, f.Complete, f.AnyRelay, f.SaveTo, f.Work, f.Upload, f.Blob.Name, f.Blob.Key, f.Blob.Size, f.Item)
	if err == nil {
		var n int64
		if n, err = res.RowsAffected(); err == nil && n == 0 {
			err = ErrNotFound
		}
	}
	if err != nil {
		return fmt.Errorf("store: saving a file: %w", err)
	}
	return nil
}

// File returns the file of an item, or ErrNotFound.
func (tx *Tx) File(item int64) (*File, error) {
	f, err := scanFile(tx.QueryRow(`SELECT `+fileColumns+` FROM files WHERE item = ?`, item))
	if err != nil {
		return nil, fmt.Errorf("store: reading a file: %w", found(err))
	}
	return f, nil
}

func scanFile(row scanner) (*File, error) {
	f := new(File)
	err := row.Scan(&f.Item, &f.Description, &f.Part, &f.Complete, &f.AnyRelay, &f.SaveTo, &f.Work, &f.Upload, &f.Blob.Name, &f.Blob.Key, &f.Blob.Size)
	return f, err
}

// SetFileChunk stores what is known of a chunk that is being uploaded. The error is ErrNotFound if the item is not there any more, or
// its upload was given up.
func (tx *Tx) SetFileChunk(item int64, chunk int, state []byte) error {
	res, err := tx.Exec(`INSERT INTO file_chunks (item, chunk, state) SELECT item, ?, ? FROM files WHERE item = ? AND upload IS NOT NULL ON CONFLICT (item, chunk) DO UPDATE SET state = excluded.state`, chunk, state, item)
	if err == nil {
		var n int64
		if n, err = res.RowsAffected(); err == nil && n == 0 {
			err = ErrNotFound
		}
	}
	if err != nil {
		return fmt.Errorf("store: saving a chunk: %w", err)
	}
	return nil
}

// FileChunk is what is known of a chunk.
type FileChunk struct {
	Chunk int
	State []byte
}

// FileChunks returns what is known of the chunks of an item's file.
func (tx *Tx) FileChunks(item int64) ([]FileChunk, error) {
	return collect(tx, "chunks", func(row scanner) (c FileChunk, err error) {
		err = row.Scan(&c.Chunk, &c.State)
		return c, err
	}, `SELECT chunk, state FROM file_chunks WHERE item = ? ORDER BY chunk`, item)
}

// DeleteFileChunks forgets the chunks of an item's file.
func (tx *Tx) DeleteFileChunks(item int64) error {
	if _, err := tx.Exec(`DELETE FROM file_chunks WHERE item = ?`, item); err != nil {
		return fmt.Errorf("store: deleting chunks: %w", err)
	}
	return nil
}

// ItemsWithUpload returns the items of whose files something is known that was uploaded.
func (tx *Tx) ItemsWithUpload() ([]int64, error) {
	return collect(tx, "uploads", func(row scanner) (item int64, err error) {
		err = row.Scan(&item)
		return item, err
	}, `SELECT item FROM files WHERE upload IS NOT NULL ORDER BY item`)
}

// ForgetUploads forgets how to delete from relays what was uploaded, of items that were made before a time and are done.
func (tx *Tx) ForgetUploads(before time.Time) error {
	// CROSS JOIN looks at the files first, of which there are few: the messages would be a million.
	const old = `(SELECT f.item FROM files f CROSS JOIN items i ON i.id = f.item WHERE f.upload IS NOT NULL AND i.file_state = 'done' AND i.created < ?)`
	for _, q := range []string{`DELETE FROM file_chunks WHERE item IN ` + old, `UPDATE files SET upload = NULL WHERE item IN ` + old} {
		if _, err := tx.Exec(q, before.UnixMilli()); err != nil {
			return fmt.Errorf("store: forgetting uploads: %w", err)
		}
	}
	return nil
}

// FileNames returns the names of all files on disk that are needed.
func (tx *Tx) FileNames() ([]string, error) {
	return collect(tx, "names of files", scanName, `SELECT blob FROM files WHERE blob <> '' UNION SELECT work FROM files WHERE work <> ''`)
}

// FileLitter returns names of files on disk that nothing needs any more.
func (tx *Tx) FileLitter() ([]string, error) {
	return collect(tx, "names of files", scanName, `SELECT name FROM file_litter`)
}

func scanName(row scanner) (name string, err error) {
	err = row.Scan(&name)
	return name, err
}

// ForgetLitter tells that a file is not on disk any more.
func (tx *Tx) ForgetLitter(name string) error {
	if _, err := tx.Exec(`DELETE FROM file_litter WHERE name = ?`, name); err != nil {
		return fmt.Errorf("store: forgetting a file: %w", err)
	}
	return nil
}

// ItemsWithFile returns the newest items with a file whose id is below before, newest first: of a contact, or of all with contact 0.
func (tx *Tx) ItemsWithFile(contact, before int64, limit int) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE file_name <> '' AND (?1 = 0 OR contact = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3`, contact, before, limit)
}

// ItemsWithFileIn returns the items whose file is in one of three states, in their order.
func (tx *Tx) ItemsWithFileIn(states [3]string) ([]*Item, error) {
	return collect(tx, "items", scanItem, `SELECT `+itemColumns+` FROM items WHERE file_state NOT IN ('', 'done') AND file_state IN (?, ?, ?) ORDER BY id`, states[0], states[1], states[2])
}
