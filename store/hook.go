package store

// AfterCommit has f called when the transaction is committed; if it is not, f is never called.
// The functions are called in the order in which they were given, and those of one Update
// before the next Update begins: what they tell others is in the order of the changes. They
// must not wait, nor use the database.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }
