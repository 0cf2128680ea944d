package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/events/internal/post"
	"castgate/server/events/internal/store"
)

// subscriber is one URL with its place in the queue: a goroutine that reads the
// store, and one for each lane that sends.
type subscriber struct {
	url    string
	name   string // stands for the url in the store, where it is not to be read
	events *Events
	log    *slog.Logger
	client post.Client
	count  subscriberCounters

	ctx     context.Context // of requests
	cancel  context.CancelFunc
	serving context.Context // ends first: what is under way may still be answered
	leave   context.CancelFunc
	ended   sync.WaitGroup

	lanes [lanes]*lane
	room  chan struct{} // capacity 1: a lane has room again

	paused    atomic.Bool  // a 410 came
	holdUntil atomic.Int64 // of a Retry-After, by Events.steady

	mu        sync.Mutex
	recovered chan struct{} // closed when a request is accepted
	lost      [2]notice     // of lost events: what is being told, and what comes after it
	resumed   chan struct{} // closed when a pause ends
}

// nameOf is what stands for a URL in the store.
func nameOf(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:16])
}

// newSubscriber makes a subscriber that begins at a place.
func newSubscriber(e *Events, url string, p place) *subscriber {
	s := &subscriber{
		url: url, name: nameOf(url), events: e, log: e.log.With("url", shown(url)),
		room: make(chan struct{}, 1), recovered: make(chan struct{}), resumed: make(chan struct{}), lost: p.Lost,
	}
	transport := e.config.Transport
	if transport == nil {
		transport = post.NewTransport(lanes, e.config.Timeout)
	}
	s.client = post.Client{URL: url, Transport: transport}
	if p.Memory > 0 {
		s.log.Error("events that waited in memory were lost when the previous process ended", "events", p.Memory)
		s.lose(p.Memory, p.lowest())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.serving, s.leave = context.WithCancel(s.ctx)
	for i := range s.lanes {
		s.lanes[i] = &lane{
			index: i, wake: make(chan struct{}, 1), next: max(p.Lanes[i], p.Dropped), size: e.config.Batch, batch: e.config.Batch,
			mostBytes: int(min(laneBytes, e.quota/lanes/4)),
		}
	}
	return s
}

// start begins to send.
func (s *subscriber) start() {
	if s.lost[0].Count > 0 {
		s.tellLost(s.lost[0])
	}
	s.ended.Go(s.read)
	for _, l := range s.lanes {
		s.ended.Go(func() { s.send(l) })
	}
}

// stop lets what is under way be answered until ctx is done.
func (s *subscriber) stop(ctx context.Context) {
	s.leave()
	late := context.AfterFunc(ctx, s.cancel)
	s.ended.Wait()
	late()
	s.cancel()
	if t, ok := s.client.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// place is where a subscriber goes on after a restart.
type place struct {
	Name  string        `json:"name"`
	Lanes [lanes]uint64 `json:"lanes"` // the lowest numbers that are not told
	Lost  [2]notice     `json:"lost,omitzero"`
	// Memory is how many events are dropped from the store, but wait in memory still:
	// after a crash they are lost.
	Memory uint64 `json:"memory,omitempty"`
	// Dropped is where the store began then, or was about to.
	Dropped uint64 `json:"dropped,omitempty"`
}

// place is the subscriber's now.
func (s *subscriber) place() place {
	s.mu.Lock()
	p := place{Name: s.name, Lost: s.lost}
	s.mu.Unlock()
	p.Dropped = s.events.dropped.Load()
	for i, l := range s.lanes {
		n, memory := l.place(p.Dropped)
		p.Lanes[i] = n
		p.Memory += memory
	}
	return p
}

// lowest is the lowest number that is not told.
func (p *place) lowest() uint64 {
	n := p.Lanes[0]
	for _, l := range p.Lanes[1:] {
		n = min(n, l)
	}
	return n
}

// behind tells whether there are events that it was not told of.
func (s *subscriber) behind() bool {
	next := s.events.store.Next()
	for _, l := range s.lanes {
		l.mu.Lock()
		waits := len(l.queue) > 0 || l.next < next
		l.mu.Unlock()
		if waits {
			return true
		}
	}
	return false
}

// chunk is how many records are read before it is looked which lane is behind.
const chunk = 2048

// read gives the lanes what they have room for.
func (s *subscriber) read() {
	r := s.events.store.NewReader(1)
	for {
		grown := s.events.store.Grown()
		from, ok := s.wanted()
		if ok && from < s.events.store.Next() {
			if err := s.readSome(r, from); err != nil {
				s.log.Error("the event log cannot be read; trying again", "err", err)
				if !sleep(s.serving, time.Second) {
					return
				}
			}
			continue
		}
		select {
		case <-grown:
		case <-s.room:
		case <-s.serving.Done():
			return
		}
	}
}

// wanted is the lowest number from which a lane with room wants to read.
func (s *subscriber) wanted() (from uint64, ok bool) {
	for _, l := range s.lanes {
		l.mu.Lock()
		if l.room() && (!ok || l.next < from) {
			from, ok = l.next, true
		}
		l.mu.Unlock()
	}
	return from, ok
}

// readSome reads a chunk from a number on for the lanes that have got so far.
// Others, that have more in their queues, take part when they are there.
func (s *subscriber) readSome(r *store.Reader, from uint64) error {
	if r.Number() != from {
		r.Seek(from)
	}
	var out [lanes]bool // does not take part any more
	in := lanes
	for i, l := range s.lanes {
		l.mu.Lock()
		// One that is behind has got room only since from was chosen.
		if out[i] = !l.room() || l.next < from; out[i] {
			in--
		}
		l.mu.Unlock()
	}
	end := from
	for range chunk {
		rec, ok, err := r.Next()
		if err != nil {
			return err
		}
		if !ok || in == 0 {
			break
		}
		end = rec.Number + 1
		if rec.Kind != kindEvent {
			continue
		}
		h, body, err := parseHeader(rec.Payload)
		if err != nil || out[h.lane] {
			continue
		}
		if !s.give(s.lanes[h.lane], rec.Number, h.key, body) {
			out[h.lane] = true
			in--
		}
	}
	for i, l := range s.lanes {
		if !out[i] {
			l.mu.Lock()
			l.next = max(l.next, end)
			l.mu.Unlock()
		}
	}
	return nil
}

// give queues an event for its lane. False: there is no room, and the lane will
// read on from here.
func (s *subscriber) give(l *lane, number, key uint64, body []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < l.next {
		return true // it has it, or it was counted as lost
	}
	if !l.room() {
		l.next = number
		return false
	}
	l.push(item{number: number, key: key}, body)
	l.next = number + 1
	return true
}

// rewind goes back to a number, with every lane that is further.
func (s *subscriber) rewind(number uint64) {
	for _, l := range s.lanes {
		l.rewind(number)
	}
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// pause stops sending until the settings are reloaded.
func (s *subscriber) pause() {
	if !s.paused.Swap(true) {
		s.log.Error("the backend has answered 410 Gone: no events are sent to it until a reload")
		s.events.auditPause(s)
	}
}

// resume ends a pause, and what else is waited for before the next attempt.
func (s *subscriber) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused.Store(false)
	s.holdUntil.Store(0)
	close(s.resumed)
	s.resumed = make(chan struct{})
}

// accepted wakes lanes that wait for the backend to come back, since a request was
// accepted.
func (s *subscriber) accepted() {
	s.mu.Lock()
	close(s.recovered)
	s.recovered = make(chan struct{})
	s.mu.Unlock()
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
