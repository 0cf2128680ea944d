package transport

import (
	"crypto/tls"
	"sync"
	"time"
)

const (
	// maxQueue is how many ClientHellos may wait for their handshake to begin.
	maxQueue = 8192
	// evictAfter is how long, in all, a handshake that keeps others out may
	// wait for its peer.
	evictAfter = time.Second
	// evictLeast is the same when very many are kept out: still enough for a
	// peer far away.
	evictLeast = 250 * time.Millisecond
	// evictEvery is how often such ones are looked for.
	evictEvery = 50 * time.Millisecond
)

// Handshakes runs TLS handshakes: at most `most` at once, on as many processors
// as cpus has room for. A connection gets a goroutine only after a complete
// ClientHello. A handshake that waits for its peer holds no processor, and gives
// way to others after evictAfter.
type Handshakes struct {
	config *tls.Config
	now    func() int64 // ns, above 0
	most   int
	cpus   chan struct{}
	group  sync.WaitGroup

	mu     sync.Mutex
	active map[*Handshake]struct{}
	queue  []*Handshake
	timer  *time.Timer // of makeRoom; runs while the queue is not empty
}

// NewHandshakes makes room for so many handshakes at once, on so many processors.
// now is a clock in nanoseconds, above 0.
func NewHandshakes(config *tls.Config, most, processors int, now func() int64) *Handshakes {
	return &Handshakes{
		config: config, now: now, most: most,
		cpus:   make(chan struct{}, processors),
		active: map[*Handshake]struct{}{},
	}
}

// Count is how many handshakes are under way and how many wait to begin. Any
// goroutine.
func (p *Handshakes) Count() (active, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.active), len(p.queue)
}

// submit begins a handshake, or queues it; false if there is no room. The
// loop's goroutine.
func (p *Handshakes) submit(h *Handshake) bool {
	h.wake = make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.active) < p.most {
		p.active[h] = struct{}{}
		p.group.Go(func() { p.work(h) })
		return true
	}
	if len(p.queue) >= maxQueue {
		p.sweep()
	}
	if len(p.queue) >= maxQueue {
		return false
	}
	if p.queue = append(p.queue, h); len(p.queue) == 1 {
		p.timer = time.AfterFunc(evictEvery, p.makeRoom)
	}
	return true
}

// makeRoom ends as many handshakes as others wait for, of those that have
// waited for their peers for too long. What counts is all of their waiting: a
// peer that sends a byte now and then is no better than a silent one.
func (p *Handshakes) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	if len(p.queue) == 0 {
		return
	}
	patience := max(evictLeast, evictAfter/time.Duration(1+len(p.queue)/p.most))
	now, wanted := p.now(), len(p.queue)
	for h := range p.active {
		if wanted > 0 && h.hasWaited(now) >= patience && h.end(true) {
			wanted--
		}
	}
	p.timer.Reset(evictEvery)
}

// sweep takes those out of the queue whose connection is gone. The caller
// holds mu.
func (p *Handshakes) sweep() {
	kept := p.queue[:0]
	for _, h := range p.queue {
		h.mu.Lock()
		if !h.closed {
			kept = append(kept, h)
		}
		h.mu.Unlock()
	}
	clear(p.queue[len(kept):])
	p.queue = kept
}

// work runs handshakes, one after the other, until none waits.
func (p *Handshakes) work(h *Handshake) {
	for h != nil {
		p.enter(h)
		err := h.run(p.config)
		p.leave(h)
		h.owner.Done(err)
		h = p.next(h)
	}
}

func (p *Handshakes) next(done *Handshake) *Handshake {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.active, done)
	if len(p.queue) == 0 {
		return nil
	}
	h := p.queue[0]
	p.queue[0] = nil
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue = nil
		p.timer.Stop()
	}
	p.active[h] = struct{}{}
	return h
}

// enter waits for one of the processors, and takes it on a thread that loops go
// before.
func (p *Handshakes) enter(h *Handshake) {
	p.cpus <- struct{}{}
	h.back = giveWay()
}

// leave gives the processor up.
func (p *Handshakes) leave(h *Handshake) {
	h.back()
	h.back = nil
	<-p.cpus
}

// Wait returns when no handshake runs any more. The owners have ended.
func (p *Handshakes) Wait() { p.group.Wait() }
