package store

import "fmt"

// Deletion is a queue that is still to be deleted on its relay.
type Deletion struct {
	ID          int64
	Server      string
	RecipientID []byte
	Key         []byte
}

// InsertDeletion stores a deletion and sets its ID.
func (tx *Tx) InsertDeletion(d *Deletion) error {
	res, err := tx.Exec(`INSERT INTO deletions (server, recipient_id, key) VALUES (?, ?, ?)`, d.Server, blob(d.RecipientID), blob(d.Key))
	if err != nil {
		return fmt.Errorf("store: adding a deletion: %w", err)
	}
	d.ID, err = res.LastInsertId()
	return err
}

// Deletions returns all deletions, oldest first.
func (tx *Tx) Deletions() ([]*Deletion, error) {
	return collect(tx, "deletions", func(row scanner) (*Deletion, error) {
		d := new(Deletion)
		return d, row.Scan(&d.ID, &d.Server, &d.RecipientID, &d.Key)
	}, `SELECT id, server, recipient_id, key FROM deletions ORDER BY id`)
}

// DeleteDeletion forgets a deletion that is done.
func (tx *Tx) DeleteDeletion(id int64) error {
	if _, err := tx.Exec(`DELETE FROM deletions WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: forgetting a deletion: %w", err)
	}
	return nil
}
