package history

import (
	"castgate/server/gateway"
	"net/netip"
	"sync"
	"time"
)

// End is how a client ended. At is a Unix time in nanoseconds, Since one in milliseconds.
type End struct {
	At, Since                 int64
	Key                       uint64 // of the client
	Connection                uint32 // its connection id
	UID                       string
	Remote                    netip.AddrPort
	Reason                    string
	Code                      uint16
	QueuedBytes, QueuedFrames uint32
}

// Drop is messages that a client was not sent. First and Last are Unix times in
// milliseconds.
type Drop struct {
	First, Last               int64
	Key                       uint64 // of the client
	Connection                uint32 // its connection id
	UID                       string
	Reason                    string
	Count                     uint64
	QueuedBytes, QueuedFrames uint32
}

// dropsKept is how many clients' drops a book remembers; it is a power of 2. A client
// has one place, which another one may take.
const dropsKept = 1 << 10

// stride is how many records are looked at under the lock: a loop waits for less than a
// microsecond.
const stride = 64

// Book is what one loop remembers. The loop writes, anybody reads.
type Book struct {
	mu    sync.Mutex
	ends  []End // a ring, once it has kept of them
	kept  int
	next  int   // where the next end goes
	since int64 // every end later than this is there; in nanoseconds
	drops []Drop
}

func newBook(kept int, now time.Time) *Book { return &Book{kept: kept, since: now.UnixNano()} }

// End remembers an end. It keeps e.UID, which has at most the bytes of a name.
func (b *Book) End(e *End) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ends) < b.kept {
		b.ends = append(b.ends, *e)
		return
	}
	place := &b.ends[b.next]
	b.since, *place = place.At, *e
	if b.next++; b.next == b.kept {
		b.next = 0
	}
}

// placeOf is where the drops of a client are.
func placeOf(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> 54 % dropsKept }

// Again counts one more message that a client was not sent for a reason. False if
// nothing is remembered of that: then the caller tells Drop all.
func (b *Book) Again(key uint64, reason string, now int64, bytes, frames uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drops == nil {
		return false
	}
	d := &b.drops[placeOf(key)]
	if d.Key != key || d.Reason != reason {
		return false
	}
	d.Count++
	d.Last, d.QueuedBytes, d.QueuedFrames = now, bytes, frames
	return true
}

// Drop remembers the first message that a client was not sent.
func (b *Book) Drop(d Drop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drops == nil {
		b.drops = make([]Drop, dropsKept)
	}
	b.drops[placeOf(d.Key)] = d
}

// find returns copies of what is about somebody, and from when on every end is there.
func (b *Book) find(w *Who) (ends []End, drops []Drop, since time.Time) {
	for from, more := 0, true; more; from += stride {
		b.mu.Lock()
		for i := from; i < min(from+stride, len(b.ends)); i++ {
			if e := &b.ends[i]; w.names(e.Key, e.UID) {
				ends = append(ends, *e)
			}
		}
		more = from+stride < len(b.ends)
		since = time.Unix(0, b.since)
		b.mu.Unlock()
	}
	for from := 0; from < dropsKept; from += stride {
		b.mu.Lock()
		if b.drops == nil {
			b.mu.Unlock()
			break
		}
		for i := from; i < from+stride; i++ {
			if d := &b.drops[i]; d.Count > 0 && w.names(d.Key, d.UID) {
				drops = append(drops, *d)
			}
		}
		b.mu.Unlock()
	}
	return ends, drops, since
}

// Past is the end as fronts are told of it. id is the client's.
func (e *End) Past(id string) gateway.PastEnd {
	return gateway.PastEnd{
		At: time.Unix(0, e.At), ClientID: id, UID: e.UID, Remote: e.Remote, ConnectedAt: time.UnixMilli(e.Since),
		Reason: e.Reason, Code: e.Code, QueuedBytes: int(e.QueuedBytes), QueuedFrames: int(e.QueuedFrames),
	}
}
