// Package witness is a backend that gets castgate's events. It knows who is
// there from events alone, notices what must not happen to them, and answers as badly
// as it is asked to.
package witness

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Life is what the witness knows about a client.
type Life struct {
	Connected, Bound, Unbound, Ended bool
	UID                              string
	// Messages is how many came, each with the next number as its text.
	Messages int
	// Reason is that of the end.
	Reason string

	ids []uint64 // of its events, hashed, in the order of their sequence
}

// Witness is an http.Handler to which events are POSTed. All methods may be called
// from any goroutine.
type Witness struct {
	seed maphash.Seed
	mood atomicMood

	mu       sync.Mutex
	lives    map[string]*Life
	online   map[string]bool     // uids, as uid.online and uid.offline say
	told     map[uint64]struct{} // ids of events without a sequence, hashed
	events   int                 // different ones
	again    int                 // that came again
	lost     int                 // reported as lost by castgate
	wrong    []string
	wrongs   int
	requests int
}

// maxWrong bounds the faults that are kept. The first ones say most.
const maxWrong = 10

// New returns a witness in a good mood.
func New() *Witness {
	return &Witness{seed: maphash.MakeSeed(), lives: map[string]*Life{}, online: map[string]bool{}, told: map[uint64]struct{}{}}
}

// Of returns what is known about a client, or nil.
func (w *Witness) Of(client string) *Life {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lives[client]
	if l == nil {
		return nil
	}
	known := *l
	return &known
}

// Sums is what a witness has counted.
type Sums struct {
	Events   int // different ones
	Again    int // that came again
	Lost     int // reported as lost by castgate
	Wrongs   int // faults
	Clients  int // that it has heard of
	There    int // of these, the ones that have not ended
	Online   int // uids
	Requests int
}

// Sums returns what was counted since New.
func (w *Witness) Sums() Sums {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Sums{
		Events: w.events, Again: w.again, Lost: w.lost, Wrongs: w.wrongs, Clients: len(w.lives), Online: len(w.online), Requests: w.requests,
	}
	for _, l := range w.lives {
		if !l.Ended {
			s.There++
		}
	}
	return s
}

// Clients returns the ids of all clients.
func (w *Witness) Clients() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.lives {
		ids = append(ids, id)
	}
	return ids
}

// IsOnline reports whether a uid is online according to the events.
func (w *Witness) IsOnline(uid string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.online[uid]
}

// Wrong returns the first faults.
func (w *Witness) Wrong() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.wrong...)
}

// event is the part of an event that the witness reads.
type event struct {
	ID, Type, Subject string
	Sequence          int
	Data              struct {
		UID    string
		Text   string
		Reason string
		Count  int
	}
}

// take notes the events of a request.
func (w *Witness) take(body []byte) {
	var events []event
	if err := json.Unmarshal(body, &events); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fault("%v in %.200s", err, body)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range events {
		w.note(&events[i])
	}
}

func (w *Witness) fault(format string, args ...any) {
	if w.wrongs++; len(w.wrong) < maxWrong {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// note notes an event. The caller holds mu.
func (w *Witness) note(e *event) {
	id := maphash.String(w.seed, e.ID)
	if e.Sequence == 0 {
		w.noteOther(e, id)
		return
	}
	l := w.lives[e.Subject]
	if l == nil {
		l = &Life{}
		w.lives[e.Subject] = l
	}
	switch {
	case e.Sequence <= len(l.ids):
		if l.ids[e.Sequence-1] != id {
			w.fault("event %d of %s came with two ids, the second %s", e.Sequence, e.Subject, e.ID)
		}
		w.again++
		return
	case e.Sequence > len(l.ids)+1:
		w.fault("%s of %s has sequence %d after %d", e.Type, e.Subject, e.Sequence, len(l.ids))
		l.ids = append(l.ids, make([]uint64, e.Sequence-len(l.ids)-1)...)
	}
	l.ids = append(l.ids, id)
	w.events++
	kind := strings.TrimPrefix(e.Type, "castgate.client.")
	if l.Ended || (kind == "connected") != (e.Sequence == 1) {
		w.fault("%s of %s is its event %d, ended %t", e.Type, e.Subject, e.Sequence, l.Ended)
	}
	switch kind {
	case "connected":
		l.Connected = true
	case "bound":
		l.Bound, l.UID = true, e.Data.UID
	case "unbound":
		l.Unbound, l.UID = true, ""
	case "message":
		if e.Data.Text != fmt.Sprint(l.Messages) {
			w.fault("message %d of %s is %.40q", l.Messages, e.Subject, e.Data.Text)
		}
		l.Messages++
	case "disconnected":
		l.Ended, l.Reason = true, e.Data.Reason
	default:
		w.fault("%s has a sequence", e.Type)
	}
}

// noteOther notes an event that belongs to no client.
func (w *Witness) noteOther(e *event, id uint64) {
	if _, again := w.told[id]; again {
		w.again++
		return
	}
	w.told[id] = struct{}{}
	w.events++
	switch e.Type {
	case "castgate.uid.online":
		if w.online[e.Subject] {
			w.fault("the uid %s is online twice", e.Subject)
		}
		w.online[e.Subject] = true
	case "castgate.uid.offline":
		if !w.online[e.Subject] {
			w.fault("the uid %s is offline twice", e.Subject)
		}
		delete(w.online, e.Subject)
	case "castgate.events.lost":
		w.lost += e.Data.Count
	default:
		w.fault("%s has no sequence", e.Type)
	}
}

// ServeHTTP implements http.Handler.
func (w *Witness) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway was killed
	}
	w.mu.Lock()
	w.requests++
	w.mu.Unlock()
	w.behave(answer, r, body)
}
