package table

import (
	"encoding/base64"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
)

// maxPage bounds the memory of one call.
const maxPage = 1 << 20

// Page lists at most limit names after cursor ("" for the first page), with the
// number of their members. limit is clamped to 1 to 2^20. next is the cursor of the
// following page, "" if there is none. ok is false if cursor is not one that this
// Table returned.
//
// The order is stable, so a name that exists from the first page to the last is
// listed exactly once. A name that appears or disappears meanwhile may be missed.
// Each count is taken at some instant during the call.
//
// Page locks one shard at a time, just long enough to copy its pointers or to count
// a page. Names are sorted without a lock.
func (t *Table) Page(cursor string, limit int) (names []string, counts []int, next string, ok bool) {
	at, behind := 0, place{}
	if cursor != "" {
		if at, behind, ok = t.parseCursor(cursor); !ok {
			return nil, nil, "", false
		}
	}
	limit = min(max(limit, 1), maxPage)
	var scratch []*Entry
	last := at // shard of the previous name
	for ; at < shards; at++ {
		scratch = t.shards[at].copyEntries(scratch)
		for {
			// One name more than fits shows that there is another page.
			want := limit + 1 - len(names)
			batch := behind.smallest(scratch, want)
			for i, n := range t.shards[at].countAll(batch) {
				if n == 0 {
					continue // gone since
				}
				if len(names) == limit {
					return names, counts, t.cursor(last, names[limit-1]), true
				}
				names, counts, last = append(names, batch[i].name), append(counts, n), at
			}
			if len(batch) < want {
				break
			}
			behind = place{name: batch[len(batch)-1].name, set: true}
		}
		behind = place{}
	}
	return names, counts, "", true
}

// copyEntries returns the shard's entries, in buf if it is large enough. Their
// names may be read without the lock, their members may not.
func (s *shard) copyEntries(buf []*Entry) []*Entry {
	for {
		s.mu.Lock()
		n := s.n
		if cap(buf) >= n {
			buf = buf[:0]
			for _, e := range s.entries {
				if e != nil {
					buf = append(buf, e)
				}
			}
			s.mu.Unlock()
			return buf
		}
		s.mu.Unlock()
		buf = make([]*Entry, 0, n+n/4) // allocate without the lock
	}
}

// countAll returns the number of members of each entry, 0 for one that is gone.
func (s *shard) countAll(entries []*Entry) []int {
	if len(entries) == 0 {
		return nil
	}
	counts := make([]int, len(entries))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range entries {
		counts[i] = e.len()
	}
	return counts
}

// place is a position among the names of a shard: after name, or before all names
// if not set.
type place struct {
	name string
	set  bool
}

// smallest returns the n smallest entries after p, sorted by name. It sorts
// whenever its buffer is full, and from then on skips entries that are larger than
// the n smallest so far.
func (p place) smallest(entries []*Entry, n int) []*Entry {
	byName := func(a, b *Entry) int { return strings.Compare(a.name, b.name) }
	full := 2*n + 64
	var found []*Entry
	var bound *Entry
	for _, e := range entries {
		if p.set && e.name <= p.name || bound != nil && e.name >= bound.name {
			continue
		}
		found = append(found, e)
		if len(found) == full {
			slices.SortFunc(found, byName)
			found = found[:n]
			bound = found[n-1]
		}
	}
	slices.SortFunc(found, byName)
	return found[:min(n, len(found))]
}

// A cursor is, in base64: a check of 4 bytes, the shard in 2 bytes, the name. The
// check is a hash with a seed of the table. Without it, a cursor of another table
// or from before a restart would silently skip names.
const cursorHead = 6

func (t *Table) cursor(at int, name string) string {
	b := make([]byte, cursorHead, cursorHead+len(name))
	binary.BigEndian.PutUint16(b[4:], uint16(at))
	b = append(b, name...)
	binary.BigEndian.PutUint32(b, uint32(maphash.Bytes(t.seed, b[4:])))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (t *Table) parseCursor(cursor string) (at int, behind place, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) < cursorHead {
		return 0, place{}, false
	}
	at, name := int(binary.BigEndian.Uint16(b[4:])), string(b[cursorHead:])
	if at >= shards || t.cursor(at, name) != cursor {
		return 0, place{}, false
	}
	return at, place{name: name, set: true}, true
}
