package sntrup761

import "sync"

// A workspace holds every intermediate value of one operation. It lives on the
// heap, because the runtime copies a stack that grows and leaves the old one as
// it was: values on it cannot be erased for certain.
type workspace struct {
	polys   [5]poly
	product product
	inverse inverse

	random  [4 * p]byte
	list    [p]uint32
	digits  [p]uint16
	input   [smallSize]byte
	again   Ciphertext
	message [1 + hashSize + max(PublicKeySize, CiphertextSize)]byte
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// newWorkspace returns a workspace that is all zero.
func newWorkspace() *workspace {
	return workspaces.Get().(*workspace)
}

// release erases w, which must not be used any more.
func (w *workspace) release() {
	w.erase()
	workspaces.Put(w)
}

func (w *workspace) erase() {
	*w = workspace{}
}
