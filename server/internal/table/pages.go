package table

import (
	"math"
	"slices"
)

const (
	pageBits = 8
	// pageLen is how many slots are copied together; 2048 bytes.
	pageLen = 1 << pageBits
)

// pages is the slots of a directory: a power of two, each with a bucket. The
// first change after a snapshot copies the page it is in and the list of
// pages, not all of them.
type pages []*page

// page may be changed in place in one epoch only; afterwards snapshots may
// share it.
type page struct {
	slots []*bucket // pageLen, or all there are
	epoch uint64
}

// neverOwned is the epoch of a page that stands in the list twice.
const neverOwned = math.MaxUint64

// len is the number of slots, 0 for none.
func (p pages) len() int {
	if len(p) == 1 {
		return len(p[0].slots)
	}
	return len(p) * pageLen
}

func (p pages) at(i int) *bucket { return p[i>>pageBits].slots[i&(pageLen-1)] }

// set changes a slot, in a copy of its page if that is shared. The list must
// not be.
func (p pages) set(i int, b *bucket, epoch uint64) {
	pg := p[i>>pageBits]
	if pg.epoch != epoch {
		pg = &page{slices.Clone(pg.slots), epoch}
		p[i>>pageBits] = pg
	}
	pg.slots[i&(pageLen-1)] = b
}

// doubled has each bucket twice. Where there are whole pages, both halves
// share them until they differ.
func (p pages) doubled(epoch uint64) pages {
	if n := p.len(); n < pageLen {
		return pages{{slices.Concat(p[0].slots, p[0].slots), epoch}}
	}
	for _, pg := range p {
		pg.epoch = neverOwned
	}
	return slices.Concat(p, p)
}

// cut is the first slots; size is a power of two.
func (p pages) cut(size int, epoch uint64) pages {
	if size < pageLen {
		return pages{{slices.Clone(p[0].slots[:size]), epoch}}
	}
	return slices.Clone(p[:size/pageLen])
}
