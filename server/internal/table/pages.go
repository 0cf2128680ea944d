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

// pages are the slots of a directory: a power of two, each with a bucket. The first
// change after a snapshot copies its page and the list of pages, not all pages.
type pages []*page

// page may be changed in place in one epoch only, since snapshots may share it
// afterwards.
type page struct {
	slots []*bucket // pageLen, or fewer in a small directory
	epoch uint64
}

// neverOwned is the epoch of a page that is in the list twice.
const neverOwned = math.MaxUint64

// len returns the number of slots, 0 for none.
func (p pages) len() int {
	if len(p) == 1 {
		return len(p[0].slots)
	}
	return len(p) * pageLen
}

func (p pages) at(i int) *bucket { return p[i>>pageBits].slots[i&(pageLen-1)] }

// set changes a slot, in a copy of its page if the page is shared. The list must
// not be shared.
func (p pages) set(i int, b *bucket, epoch uint64) {
	pg := p[i>>pageBits]
	if pg.epoch != epoch {
		pg = &page{slices.Clone(pg.slots), epoch}
		p[i>>pageBits] = pg
	}
	pg.slots[i&(pageLen-1)] = b
}

// doubled returns the list with each bucket twice. The two halves share whole pages
// until they differ.
func (p pages) doubled(epoch uint64) pages {
	if n := p.len(); n < pageLen {
		return pages{{slices.Concat(p[0].slots, p[0].slots), epoch}}
	}
	for _, pg := range p {
		pg.epoch = neverOwned
	}
	return slices.Concat(p, p)
}

// cut returns the first slots; size is a power of two.
func (p pages) cut(size int, epoch uint64) pages {
	if size < pageLen {
		return pages{{slices.Clone(p[0].slots[:size]), epoch}}
	}
	return slices.Clone(p[:size/pageLen])
}
