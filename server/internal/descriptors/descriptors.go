// Package descriptors maps file descriptors to slots.
package descriptors

import (
	"sync/atomic"
)

// Table maps descriptors to slots, for all loops: 4 bytes per descriptor.
// An entry means something to the loop that owns the descriptor only; the
// others see that the connection in that slot has another fd.
type Table struct {
	pages []atomic.Pointer[fdPage]
}

const fdPageLen = 4096

type fdPage [fdPageLen]atomic.Uint32

// New makes a table for the descriptors up to a limit.
func New(limit uint64) *Table {
	return &Table{pages: make([]atomic.Pointer[fdPage], limit/fdPageLen+1)}
}

// Set stores a slot for fd. ok is false for a descriptor above the limit that
// the table was made for.
func (t *Table) Set(fd int, slot uint32) (ok bool) {
	if fd/fdPageLen >= len(t.pages) {
		return false
	}
	p := &t.pages[fd/fdPageLen]
	for p.Load() == nil {
		p.CompareAndSwap(nil, new(fdPage))
	}
	p.Load()[fd%fdPageLen].Store(slot + 1)
	return true
}

func (t *Table) Clear(fd int) {
	if fd/fdPageLen < len(t.pages) {
		if p := t.pages[fd/fdPageLen].Load(); p != nil {
			p[fd%fdPageLen].Store(0)
		}
	}
}

func (t *Table) Get(fd int) (slot uint32, ok bool) {
	if fd/fdPageLen >= len(t.pages) {
		return 0, false
	}
	p := t.pages[fd/fdPageLen].Load()
	if p == nil {
		return 0, false
	}
	v := p[fd%fdPageLen].Load()
	return v - 1, v != 0
}
