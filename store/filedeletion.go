package store

import (
	"fmt"
	"time"
)

// FileDeletion is a chunk of a file that is still to be deleted from its relay.
type FileDeletion struct {
	ID      int64
	Item    int64  // whose file it was; it need not be there any more
	Replica string // the relay, and the id and the key there
}

// InsertFileDeletion stores that a chunk is to be deleted, unless that is stored already.
func (tx *Tx) InsertFileDeletion(d FileDeletion, created time.Time) error {
	_, err := tx.Exec(`INSERT INTO file_deletions (item, replica, created) VALUES (?, ?, ?) ON CONFLICT (replica) DO NOTHING`, d.Item, d.Replica, created.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: adding a deletion of a file: %w", err)
	}
	return nil
}

// FileDeletions returns all chunks that are to be deleted: those of one item one after the other, and the oldest item first.
func (tx *Tx) FileDeletions() ([]FileDeletion, error) {
	return collect(tx, "deletions of files", func(row scanner) (d FileDeletion, err error) {
		return d, row.Scan(&d.ID, &d.Item, &d.Replica)
	}, `SELECT id, item, replica FROM file_deletions ORDER BY item, id`)
}

// DeleteFileDeletion forgets a chunk that is deleted.
func (tx *Tx) DeleteFileDeletion(id int64) error {
	if _, err := tx.Exec(`DELETE FROM file_deletions WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: forgetting a deletion of a file: %w", err)
	}
	return nil
}

// ForgetFileDeletions forgets the chunks that were to be deleted before a time, and those after which so many others were stored.
func (tx *Tx) ForgetFileDeletions(before time.Time, most int) error {
	_, err := tx.Exec(`DELETE FROM file_deletions WHERE created < ? OR id <= (SELECT max(id) FROM file_deletions) - ?`, before.UnixMilli(), most)
	if err != nil {
		return fmt.Errorf("store: forgetting deletions of files: %w", err)
	}
	return nil
}
