package store

import "fmt"

// InsertSkippedKey stores the key of a message that did not come when its successors did.
func (tx *Tx) InsertSkippedKey(connection int64, header []byte, number uint32, key []byte) error {
	_, err := tx.Exec(`INSERT OR IGNORE INTO skipped_keys (connection, header_key, number, key, seq)
		VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(seq), 0) + 1 FROM skipped_keys WHERE connection = ?1))`, connection, header, number, key)
	if err != nil {
		return fmt.Errorf("store: adding a skipped key: %w", err)
	}
	return nil
}

// LimitSkippedKeys deletes the oldest keys of a connection beyond a number.
func (tx *Tx) LimitSkippedKeys(connection int64, most int) error {
	_, err := tx.Exec(`DELETE FROM skipped_keys WHERE connection = ?1 AND seq <= (SELECT max(seq) FROM skipped_keys WHERE connection = ?1) - ?2`, connection, most)
	if err != nil {
		return fmt.Errorf("store: limiting skipped keys: %w", err)
	}
	return nil
}

// SkippedHeaderKeys returns each header key of the stored keys once.
func (tx *Tx) SkippedHeaderKeys(connection int64) ([][]byte, error) {
	return collect(tx, "skipped keys", func(row scanner) (key []byte, err error) {
		err = row.Scan(&key)
		return key, err
	}, `SELECT DISTINCT header_key FROM skipped_keys WHERE connection = ?`, connection)
}

// SkippedKey returns the key of a message, or ErrNotFound.
func (tx *Tx) SkippedKey(connection int64, header []byte, number uint32) (key []byte, err error) {
	err = tx.QueryRow(`SELECT key FROM skipped_keys WHERE connection = ? AND header_key = ? AND number = ?`, connection, header, number).Scan(&key)
	if err != nil {
		return nil, fmt.Errorf("store: reading a skipped key: %w", found(err))
	}
	return key, nil
}

// DeleteSkippedKey deletes the key of a message that came.
func (tx *Tx) DeleteSkippedKey(connection int64, header []byte, number uint32) error {
	_, err := tx.Exec(`DELETE FROM skipped_keys WHERE connection = ? AND header_key = ? AND number = ?`, connection, header, number)
	if err != nil {
		return fmt.Errorf("store: deleting a skipped key: %w", err)
	}
	return nil
}

// DeleteSkippedKeys deletes all skipped keys of a connection.
func (tx *Tx) DeleteSkippedKeys(connection int64) error {
	if _, err := tx.Exec(`DELETE FROM skipped_keys WHERE connection = ?`, connection); err != nil {
		return fmt.Errorf("store: deleting skipped keys: %w", err)
	}
	return nil
}

// InsertRatchetKey keeps the hash of keys that were used for a new ratchet.
func (tx *Tx) InsertRatchetKey(connection int64, hash []byte) error {
	if _, err := tx.Exec(`INSERT OR IGNORE INTO ratchet_keys (connection, hash) VALUES (?, ?)`, connection, hash); err != nil {
		return fmt.Errorf("store: keeping the hash of ratchet keys: %w", err)
	}
	return nil
}

// SeenRatchetKey tells whether keys with this hash were used before.
func (tx *Tx) SeenRatchetKey(connection int64, hash []byte) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM ratchet_keys WHERE connection = ? AND hash = ?`, connection, hash).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("store: looking for the hash of ratchet keys: %w", err)
	}
	return n > 0, nil
}
