package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/gateway"
)

// Limits of a tail.
const (
	tailPause = 200 * time.Millisecond // between two messages
	tailBatch = 500                    // happenings of one message; what comes beyond is dropped
	tailBeat  = 10 * time.Second       // after which an empty message tells that it lives
)

// tails counts those who watch, and waits for them.
type tails struct {
	running sync.WaitGroup
	open    atomic.Int64
	dropped atomic.Uint64 // happenings
}

// wait returns when nobody watches any more, or ctx is done.
func (t *tails) wait(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		t.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// happening is what a tail tells, as JSON.
type happening struct {
	At        int64    `json:"at"`
	Kind      string   `json:"kind"`
	ClientID  string   `json:"client_id,omitempty"`
	UID       string   `json:"uid,omitempty"`
	Previous  string   `json:"previous_uid,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	Remote    string   `json:"remote_addr,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
	End       *endRow  `json:"end,omitempty"`
	To        *names   `json:"to,omitempty"`
	Names     int      `json:"names,omitempty"`
	Matched   *int     `json:"matched,omitempty"`
	Bytes     int      `json:"bytes,omitempty"`
	Binary    bool     `json:"binary,omitempty"`
}

func happeningOf(h *gateway.Happening) happening {
	out := happening{At: h.At.UnixMilli(), Kind: h.Kind}
	if h.Kind == gateway.Pushed {
		out.To = &names{ClientIDs: h.To.ClientIDs, UIDs: h.To.UIDs, Groups: h.To.Groups, All: h.To.All}
		out.Names, out.Matched, out.Bytes, out.Binary = h.Names, &h.Matched, h.Bytes, h.Binary
		return out
	}
	out.ClientID, out.UID, out.Previous, out.Groups, out.UserAgent = h.ClientID, h.UID, h.Previous, h.Groups, h.UserAgent
	out.Remote = h.Remote.String()
	if h.End != nil {
		end := endOf(h.End)
		out.End = &end
	}
	return out
}

// batch is one message of a tail.
type batch struct {
	Events  []happening `json:"events"`
	Dropped uint64      `json:"dropped"` // since the tail began
}

// tail serves GET /api/tail: a WebSocket for the page, lines of JSON for programs.
func (s *Server) tail(w http.ResponseWriter, c *call) error {
	q := c.URL.Query()
	f := gateway.TailFilter{UID: q.Get("uid"), Group: q.Get("group")}
	if address := strings.TrimSpace(q.Get("address")); address != "" {
		var err error
		if f.Address, err = parseAddress(address); err != nil {
			return err
		}
	}
	upgrade := strings.EqualFold(c.Header.Get("Upgrade"), "websocket")
	if err := s.sameOrigin(c.Request); upgrade && err != nil {
		return err
	}
	from, err := s.config.Historian.Tail(f)
	if err != nil {
		return err
	}
	defer from.Close()
	s.tails.running.Add(1)
	s.tails.open.Add(1)
	defer s.tails.running.Done()
	defer s.tails.open.Add(-1)
	var to stream
	if upgrade {
		to, err = openSocket(w, c.Request)
	} else {
		to, err = openLines(w, c.Request)
	}
	if err != nil || to == nil {
		return err
	}
	defer to.close()
	s.follow(from, to)
	return nil
}

// stream is where a tail goes.
type stream interface {
	// send sends a message. An error ends the tail.
	send(b *batch) error
	// gone is closed when nobody reads any more.
	gone() <-chan struct{}
	close()
}

// follow sends what comes until nobody reads any more. It looks at times, and not at each
// happening: to be woken thousands of times a second would cost more than what is told.
// What is more than fits into a message is dropped and counted.
func (s *Server) follow(from gateway.Tail, to stream) {
	var over uint64 // dropped here
	pace := time.NewTicker(tailPause)
	defer pace.Stop()
	var b batch
	said, told, counted := time.Now(), uint64(0), uint64(0)
	defer func() { s.tails.dropped.Add(from.Dropped() + over - counted) }() // while the last message was sent
	b.Events = []happening{}
	if to.send(&b) != nil { // tells that it has begun
		return
	}
	for {
		select {
		case <-pace.C:
		case <-to.gone():
			return
		case <-s.base.Done():
			return
		}
		b.Events = b.Events[:0]
		over += b.gather(from)
		b.Dropped = from.Dropped() + over
		s.tails.dropped.Add(b.Dropped - counted)
		counted = b.Dropped
		if len(b.Events) == 0 && b.Dropped == told && time.Since(said) < tailBeat {
			continue
		}
		if to.send(&b) != nil {
			return
		}
		said, told = time.Now(), b.Dropped
	}
}

// gather takes what has happened, and returns how much of it did not fit.
func (b *batch) gather(from gateway.Tail) (over uint64) {
	for range len(from.Next()) {
		h := <-from.Next()
		if len(b.Events) < tailBatch {
			b.Events = append(b.Events, happeningOf(&h))
		} else {
			over++
		}
	}
	return over
}

// lines is a tail as lines of JSON.
type lines struct {
	w    http.ResponseWriter
	ctrl *http.ResponseController
	done <-chan struct{}
}

func openLines(w http.ResponseWriter, r *http.Request) (stream, error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &lines{w, http.NewResponseController(w), r.Context().Done()}, nil
}

func (l *lines) send(b *batch) error {
	_ = l.ctrl.SetWriteDeadline(time.Now().Add(answerTime))
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if _, err := l.w.Write(append(text, '\n')); err != nil {
		return err
	}
	return l.ctrl.Flush()
}

func (l *lines) gone() <-chan struct{} { return l.done }

func (l *lines) close() {}
