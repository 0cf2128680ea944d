package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/events/internal/store"
)

// deadLetters are events that a backend has not accepted, although it accepted
// others: set aside so that they don't block the rest. They are kept in a store of
// their own until they are replayed, or too many.
type deadLetters struct {
	mu      sync.Mutex
	store   *store.Store
	letters []deadLetter // oldest first
	bytes   int

	// For who must not wait for a disk that is slow.
	count   atomic.Int64
	dropped atomic.Uint64
}

// deadLetter is one of them, as it is stored.
type deadLetter struct {
	Name   string          `json:"name"` // of the subscriber
	Number uint64          `json:"number"`
	Status int             `json:"status,omitempty"`
	Error  string          `json:"error"`
	At     time.Time       `json:"at"`
	Event  json.RawMessage `json:"event,omitempty"` // missing: it was replayed
}

// What is kept of dead letters; beyond it the oldest go.
const (
	mostDead      = 10_000
	mostDeadBytes = 16 << 20
	// rewriteDead is from how many bytes on the store is rewritten with what is left.
	rewriteDead = 3 * mostDeadBytes
)

const kindDead = 'd'

// openDead reads the dead letters that are there.
func openDead(s *store.Store) (*deadLetters, error) {
	d := &deadLetters{store: s}
	for r := s.NewReader(1); ; {
		rec, ok, err := r.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		var l deadLetter
		if rec.Kind != kindDead || json.Unmarshal(rec.Payload, &l) != nil {
			continue
		}
		if l.Event == nil {
			d.remove(l.Name, l.Number)
			continue
		}
		d.keep(l)
	}
	d.limit()
	return d, nil
}

func (d *deadLetters) keep(l deadLetter) {
	d.letters = append(d.letters, l)
	d.bytes += len(l.Event)
	d.count.Store(int64(len(d.letters)))
}

func (d *deadLetters) remove(name string, number uint64) {
	for i := range d.letters {
		if l := &d.letters[i]; l.Name == name && l.Number == number {
			d.bytes -= len(l.Event)
			d.letters = append(d.letters[:i], d.letters[i+1:]...)
			d.count.Store(int64(len(d.letters)))
			return
		}
	}
}

// limit drops the oldest where there are too many.
func (d *deadLetters) limit() {
	n := 0
	for n < len(d.letters) && (len(d.letters)-n > mostDead || d.bytes > mostDeadBytes) {
		d.bytes -= len(d.letters[n].Event)
		n++
	}
	d.letters = append(d.letters[:0:0], d.letters[n:]...)
	d.count.Store(int64(len(d.letters)))
	d.dropped.Add(uint64(n))
}

// add sets an event aside. Any goroutine.
func (d *deadLetters) add(name string, it *item, status int, why string, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	// The body is the lane's, which uses its memory again once the event has left it.
	l := deadLetter{Name: name, Number: it.number, Status: status, Error: why, At: at, Event: bytes.Clone(it.body)}
	if err := d.write(l); err != nil {
		return err
	}
	d.keep(l)
	if len(d.letters) > mostDead || d.bytes > mostDeadBytes {
		d.limit()
	}
	return d.rewrite()
}

func (d *deadLetters) write(letters ...deadLetter) error {
	records := make([]store.Record, len(letters))
	for i := range letters {
		b, err := json.Marshal(&letters[i])
		if err != nil {
			return err
		}
		records[i] = store.Record{Kind: kindDead, Payload: b}
	}
	return d.store.Append(records)
}

// rewrite makes room in the store once most of it is out of date.
func (d *deadLetters) rewrite() error {
	if d.store.Size() < rewriteDead {
		return nil
	}
	if err := d.store.Rotate(); err != nil {
		return err
	}
	if err := d.write(d.letters...); err != nil {
		return err
	}
	for end := d.store.Next(); ; {
		oldest, ok := d.store.Oldest()
		if !ok || oldest.End > end-uint64(len(d.letters)) {
			return nil
		}
		if err := d.store.DropOldest(); err != nil {
			return err
		}
	}
}

// done notes that letters were accepted after all.
func (d *deadLetters) done(letters []deadLetter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	marks := make([]deadLetter, len(letters))
	for i, l := range letters {
		d.remove(l.Name, l.Number)
		marks[i] = deadLetter{Name: l.Name, Number: l.Number, At: l.At}
	}
	return errors.Join(d.write(marks...), d.rewrite())
}

// list returns a copy of what is there.
func (d *deadLetters) list() []deadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]deadLetter(nil), d.letters...)
}

// len is how many there are, and how many were dropped.
func (d *deadLetters) len() (n int, dropped uint64) {
	return int(d.count.Load()), d.dropped.Load()
}
