package events

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"castgate/server/events/internal/post"
)

const (
	batchType  = "application/cloudevents-batch+json; charset=utf-8"
	singleType = "application/cloudevents+json; charset=utf-8"

	// firstPause is the longest pause after the first failure; it doubles with each.
	firstPause = 200 * time.Millisecond
	// leastPause is the shortest.
	leastPause = 20 * time.Millisecond
	// poisonTries is how often an event must have failed alone to be set aside, each
	// time after others were accepted: a backend that refuses three requests of ten,
	// whatever they hold, has refused the same event so often in 6 of a million cases.
	poisonTries = 10
	// probeFrom is from which failure of a lane on an event of another client is tried
	// where no other lane shows whether the backend accepts anything.
	probeFrom = 3
)

// send tells the events of a lane, until the subscriber stops.
func (s *subscriber) send(l *lane) {
	for s.serving.Err() == nil {
		waits := l.waits()
		if waits == 0 {
			select {
			case <-l.wake:
			case <-s.serving.Done():
			}
			continue
		}
		if waits < l.size && !s.linger(l) || !s.ready() {
			return
		}
		if batch := l.first(); len(batch) > 0 { // not if all were told out of turn
			s.settle(l, batch, s.attempt(batch))
			clear(batch) // what was told is not to be kept
		}
	}
}

// linger gives the first event of a request time to be joined by others.
func (s *subscriber) linger(l *lane) bool {
	if s.events.config.Linger == 0 || l.failures > 0 {
		return s.serving.Err() == nil
	}
	over := time.NewTimer(s.events.config.Linger)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return true
		case <-l.wake:
			if l.waits() >= l.size {
				return true
			}
		case <-s.serving.Done():
			return false
		}
	}
}

// ready waits for the end of a pause, and of what a Retry-After has asked for.
func (s *subscriber) ready() bool {
	for s.serving.Err() == nil {
		s.mu.Lock()
		resumed := s.resumed
		s.mu.Unlock()
		if s.paused.Load() {
			select {
			case <-resumed:
			case <-s.serving.Done():
			}
			continue
		}
		wait := time.Duration(s.holdUntil.Load()-s.events.steady()) * time.Microsecond
		if wait <= 0 {
			return true
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-resumed: // a reload ends it, too
		case <-s.serving.Done():
		}
		t.Stop()
	}
	return false
}

// attempt sends some events once.
func (s *subscriber) attempt(batch []item) post.Result {
	r := post.Request{
		ID: requestID(batch), ContentType: batchType, Secrets: *s.events.secrets.Load(),
		Timeout: s.events.config.Timeout, Now: s.events.now(),
	}
	n := 2
	for i := range batch {
		n += len(batch[i].body) + 1
	}
	b := requestBytes(n) // a transport may read it longer than the lane keeps its events
	r.Body, r.Release = (*b)[:0], func() { bodies.Put(b) }
	if s.events.config.Batch == 1 {
		r.ContentType, r.Body = singleType, append(r.Body, batch[0].body...)
	} else {
		r.Body = appendList(r.Body, batch)
	}
	began := time.Now()
	result := s.client.Do(s.ctx, &r)
	if s.ctx.Err() == nil {
		s.count.attempts[result.Outcome].Add(1)
		s.count.latency.observe(time.Since(began))
	}
	return result
}

// appendList appends the events of a batch as JSON.
func appendList(b []byte, batch []item) []byte {
	b = append(b, '[')
	for i := range batch {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, batch[i].body...)
	}
	return append(b, ']')
}

// bodies are those of requests, to be used again.
var bodies sync.Pool

// requestBytes returns n bytes.
func requestBytes(n int) *[]byte {
	if b, ok := bodies.Get().(*[]byte); ok && cap(*b) >= n {
		return b
	}
	b := make([]byte, n, n+n/4)
	return &b
}

// requestID is the webhook-id: the same in every attempt to send the same events.
func requestID(batch []item) string {
	id := eventID(batch[0].body)
	if len(batch) > 1 {
		id += "-" + strconv.Itoa(len(batch))
	}
	return id
}

// settle acts on the outcome of an attempt.
func (s *subscriber) settle(l *lane, batch []item, r post.Result) {
	if s.ctx.Err() != nil {
		return // cut short by us
	}
	if r.Outcome == post.Accepted {
		if l.failures > 0 && s.count.failing.Add(-1) == 0 {
			s.log.Info("events are accepted again")
		}
		s.confirm(l, batch)
		l.failures, l.size = 0, min(s.events.config.Batch, l.size*2)
		return
	}
	// What 410 means is said by pause.
	if l.failures++; l.failures == 1 && s.count.failing.Add(1) == 1 && r.Outcome != post.Paused {
		s.log.Warn("events were not accepted; trying again", "outcome", r.Outcome.String(), "err", r.Err)
	}
	if r.RetryAfter > 0 {
		s.holdUntil.Store(s.events.steady() + r.RetryAfter.Microseconds())
	}
	switch r.Outcome {
	case post.Paused:
		s.pause()
		return
	case post.Refused, post.Unanswered:
		if len(batch) > 1 {
			l.size = (len(batch) + 1) / 2
		} else if s.isolate(l, r) {
			return
		}
	}
	s.backOff(l)
}

// confirm takes events that were accepted out of the lane.
func (s *subscriber) confirm(l *lane, batch []item) {
	s.count.told.Add(uint64(len(batch)))
	s.accepted()
	if l.done(len(batch)) {
		for i := range batch {
			if batch[i].number == 0 {
				s.lostTold()
			}
		}
	}
	s.advanced()
}

// advanced tells the reader of room and the journal of a new place.
func (s *subscriber) advanced() {
	select {
	case s.room <- struct{}{}:
	default:
	}
	s.events.placesMoved()
}

// isolate looks whether an event that fails alone is to blame, or the backend: if it
// fails again and again while others are accepted in between, it is set aside. If no
// other was, one of another client is tried. It returns whether the lane can go on at
// once.
func (s *subscriber) isolate(l *lane, r post.Result) bool {
	it, counts := l.blocked(s.count.attempts[post.Accepted].Load())
	if it.number == 0 {
		return false
	}
	if !counts && l.failures >= probeFrom {
		s.probe(l)
	}
	if it.tries < poisonTries {
		return false
	}
	if err := s.events.dead.add(s.name, &it, r.Status, errorText(r.Err), s.events.now()); err != nil {
		s.log.Error("an event that the backend does not accept could not be set aside", "err", err)
		return false
	}
	s.log.Error("an event that the backend does not accept is set aside; see GET /v1/events/dead", "number", it.number, "err", r.Err)
	s.count.dead.Add(1)
	l.done(1)
	if l.failures > 0 {
		s.count.failing.Add(-1)
	}
	l.failures = 0
	s.advanced()
	return true
}

// probe tells an event of another client than the one that blocks the lane.
func (s *subscriber) probe(l *lane) {
	other, ok := l.other()
	if !ok || s.attempt([]item{other}).Outcome != post.Accepted {
		return
	}
	l.skip(other.number)
	s.count.told.Add(1)
	s.accepted()
	l.failures = 1 // the next pause is short
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// backOff waits before the next attempt: a random part of a time that doubles with
// every failure. When another lane's events are accepted meanwhile, it is over.
func (s *subscriber) backOff(l *lane) {
	longest := s.events.config.RetryMax
	if shift := l.failures - 1; shift < 24 {
		longest = min(longest, firstPause<<shift)
	}
	s.mu.Lock()
	recovered, resumed := s.recovered, s.resumed
	s.mu.Unlock()
	if !sleep(s.serving, leastPause) {
		return
	}
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
	case <-recovered:
		l.failures = min(l.failures, 4)
	case <-resumed:
	case <-s.serving.Done():
	}
}
