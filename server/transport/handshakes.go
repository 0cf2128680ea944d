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
// as it has workers. A connection gets a goroutine only after a complete
// ClientHello. A handshake that waits for its peer holds no worker, and gives
// way to others after evictAfter.
type Handshakes struct {
	config *tls.Config
	now    func() int64 // ns, above 0
	most   int
	// answers is whether, after an encrypted answer of ours, a handshake has
	// nothing left to do that takes long: no certificate to verify.
	answers bool
	group   sync.WaitGroup // handshakes under way, and workers

	mu     sync.Mutex
	active map[*Handshake]struct{}
	queue  []*Handshake
	timer  *time.Timer // of makeRoom; runs while the queue is not empty
	spare  []*runner   // none while no handshake is under way

	// The locks of a handshake may be held while this one is taken.
	work    sync.Mutex
	todo    []*Handshake // to begin or to go on with
	workers int
	maxWork int // how many workers there may be
}

// NewHandshakes makes room for so many handshakes at once, on so many processors.
// now is a clock in nanoseconds, above 0.
func NewHandshakes(config *tls.Config, most, processors int, now func() int64) *Handshakes {
	return &Handshakes{
		config: config, now: now, most: most, maxWork: processors,
		answers: config.ClientAuth == tls.NoClientCert && config.GetConfigForClient == nil,
		active:  map[*Handshake]struct{}{},
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
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.active) < p.most {
		p.begin(h)
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

// begin puts a handshake under way. The caller holds mu.
func (p *Handshakes) begin(h *Handshake) {
	p.active[h] = struct{}{}
	p.group.Add(1)
	if last := len(p.spare) - 1; last >= 0 {
		h.runner, p.spare[last] = p.spare[last], nil
		p.spare = p.spare[:last]
	} else {
		h.runner = newRunner(p.config)
	}
	h.runner.h = h
	p.ready(h)
}

// ended takes a handshake off that has ended, and begins the next one.
func (p *Handshakes) ended(h *Handshake) {
	defer p.group.Done()
	r := h.runner
	r.h, h.runner = nil, nil
	for _, r := range p.next(h, r) {
		r.stop()
	}
}

// next is ended, but for the runners that it returns and that nobody needs.
func (p *Handshakes) next(done *Handshake, r *runner) (idle []*runner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.active, done)
	if p.spare = append(p.spare, r); len(p.spare) > maxSpare {
		idle, p.spare = []*runner{r}, p.spare[:maxSpare]
	}
	switch {
	case len(p.queue) > 0:
		h := p.queue[0]
		p.queue[0] = nil
		if p.queue = p.queue[1:]; len(p.queue) == 0 {
			p.queue = nil
			p.timer.Stop()
		}
		p.begin(h)
	case len(p.active) == 0:
		idle, p.spare = append(idle, p.spare...), nil
	}
	return idle
}

// ready has a worker make a handshake go on.
func (p *Handshakes) ready(h *Handshake) {
	p.work.Lock()
	defer p.work.Unlock()
	p.todo = append(p.todo, h)
	if p.workers < p.maxWork {
		p.workers++
		p.group.Go(p.runAll)
	}
}

// take is what a worker does next; nil if it is to end.
func (p *Handshakes) take() *Handshake {
	p.work.Lock()
	defer p.work.Unlock()
	if len(p.todo) == 0 {
		p.todo = nil
		p.workers--
		return nil
	}
	h := p.todo[0]
	p.todo[0] = nil
	p.todo = p.todo[1:]
	return h
}

// runAll is a worker: it makes handshakes go on until none has anything to do.
func (p *Handshakes) runAll() {
	for h := p.take(); h != nil; h = p.take() {
		if h.goOn(true) {
			h.owner.Done(h.err)
		}
	}
}

// Wait returns when no handshake runs any more. The owners have ended.
func (p *Handshakes) Wait() { p.group.Wait() }
