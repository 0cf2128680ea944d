package history

import (
	"time"

	"castgate/server/gateway"
)

// How many ends all loops together remember, and the least and the most of one loop.
const (
	endsKept  = 16384
	leastEnds = 256
	mostEnds  = 4096
)

// History is what a process remembers. Its methods may be called from any goroutine.
type History struct {
	Tails
	books  []*Book
	misses misses
}

// New makes the history of so many loops.
func New(loops int) *History {
	h := &History{}
	now := time.Now()
	kept := min(max(endsKept/loops, leastEnds), mostEnds)
	for range loops {
		h.books = append(h.books, newBook(kept, now))
	}
	return h
}

// Book is what loop i writes into.
func (h *History) Book(i int) *Book { return h.books[i] }

// Miss remembers that a push matched no client: the uids and client ids that it named.
func (h *History) Miss(to *gateway.Targets) {
	now := time.Now().UnixMilli()
	for _, uid := range to.UIDs[:min(len(to.UIDs), gateway.MaxToldNames)] {
		h.misses.note(missKey{uid: true, name: uid}, now)
	}
	for _, id := range to.ClientIDs[:min(len(to.ClientIDs), gateway.MaxToldNames)] {
		h.misses.note(missKey{name: id}, now)
	}
}

// Who is whom a question is about: clients of a uid, or one client by its key.
type Who struct {
	UID string
	Key uint64 // 0 for a uid
	ID  string // the client's
}

// names tells whether something is about them.
func (w *Who) names(key uint64, uid string) bool {
	if w.UID != "" {
		return w.UID == uid
	}
	return w.Key != 0 && w.Key == key
}

// Ask calls end and drop with what is remembered of somebody, in no order, and returns
// since when every end is. Neither is called under a lock.
func (h *History) Ask(w Who, end func(*End), drop func(*Drop)) (since time.Time) {
	for _, b := range h.books {
		ends, drops, from := b.find(&w)
		if from.After(since) {
			since = from
		}
		for i := range ends {
			end(&ends[i])
		}
		for i := range drops {
			drop(&drops[i])
		}
	}
	return since
}

// Missed returns the pushes for somebody that matched nobody.
func (h *History) Missed(w Who) []gateway.PastMiss {
	k := missKey{uid: true, name: w.UID}
	if w.UID == "" {
		k = missKey{name: w.ID}
	}
	return h.misses.of(k)
}
