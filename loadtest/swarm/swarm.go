// Package swarm opens many WebSocket connections on a few epoll loops and checks every
// message that they receive. It has no goroutine per connection, and no buffer besides
// what crypto/tls needs for wss.
package swarm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"castgate/codec"
	"castgate/loadtest/address"
	"castgate/loadtest/clock"
)

// WaitPatiently is WaitDelivered with a time limit, however ctx ends.
func (s *Swarm) WaitPatiently(ctx context.Context, patience time.Duration) error {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return s.WaitDelivered(wait)
}

// Swarm is a set of open connections, numbered from 0. Its methods may be
// called from any goroutine, those of a Stream by one goroutine at a time.
type Swarm struct {
	cfg     Config
	targets []address.Target
	header  string // of the handshake
	loops   []*loop
	streams []*Stream
	begun   int64          // Now() when Open was called
	running sync.WaitGroup // loops and TLS handshakes

	opened   atomic.Int64
	died     atomic.Int64
	ready    atomic.Bool   // all have been open at the same time
	lives    atomic.Bool   // some connections have been reopened: expected and received are meaningless
	expected atomic.Int64  // deliveries committed
	received atomic.Int64  // different payloads received
	goal     atomic.Int64  // what WaitDelivered waits for
	heard    atomic.Int64  // connections that a probe has reached
	reached  chan struct{} // rung at the goal and when a connection is lost
	grown    chan struct{} // rung while connections open
	failure  atomic.Pointer[error]

	closing sync.Once
	final   *Report // set when closed
}

// Open opens all connections and returns once the last is open. The first
// failure ends it: an *OpenError, or a *FilesError or *PortsError before
// anything was opened. When ctx is done, the connections opened so far are
// closed.
func Open(ctx context.Context, c Config) (*Swarm, error) {
	c, err := c.WithDefaults()
	if err != nil {
		return nil, err
	}
	c.Run = NewRun(c.Run)
	if err := CheckFiles(c.Connections); err != nil {
		return nil, err
	}
	if c.Begun == 0 {
		c.Begun = clock.Now()
	}
	s := &Swarm{cfg: c, header: c.Header, begun: c.Begun, reached: make(chan struct{}, 1), grown: make(chan struct{}, 1)}
	if c.Compress {
		s.header += codec.DeflateOffer
	}
	if s.targets, err = address.ResolveAll(ctx, c.URLs, c.Sources); err != nil {
		return nil, err
	}
	for i := range s.targets {
		s.targets[i].Secure(c.TLS)
	}
	if err := address.CheckPorts(c.Connections, s.targets, len(c.Sources)); err != nil {
		return nil, err
	}
	for i, kind := range c.Streams {
		s.streams = append(s.streams, newStream(s, i, kind))
	}
	for i := range c.Loops {
		l, err := newLoop(s, i)
		if err != nil {
			for _, l := range s.loops {
				l.release()
			}
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	for _, l := range s.loops {
		s.running.Go(l.run)
	}
	if err := s.awaitOpen(ctx); err != nil {
		s.Close()
		if open := (*OpenError)(nil); errors.As(err, &open) {
			open.Report = s.Report()
		}
		return nil, err
	}
	s.ready.Store(true)
	return s, nil
}

// NewRun returns run, or a random number if that is 0.
func NewRun(run uint32) uint32 {
	if run == 0 {
		run = rand.Uint32() | 1
	}
	return run
}

// awaitOpen returns when all connections are open or one has failed.
func (s *Swarm) awaitOpen(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		opened := int(s.opened.Load())
		if f := s.failure.Load(); f != nil {
			return &OpenError{Wanted: s.cfg.Connections, Opened: opened, Err: *f}
		}
		if s.died.Load() > 0 {
			err := fmt.Errorf("an open connection was lost: %w", s.Report().Err())
			return &OpenError{Wanted: s.cfg.Connections, Opened: opened, Err: err}
		}
		if opened == s.cfg.Connections {
			return nil
		}
		select {
		case <-ctx.Done():
			return &OpenError{Wanted: s.cfg.Connections, Opened: opened, Err: context.Cause(ctx)}
		case <-s.grown:
		case <-s.reached:
		case <-tick.C:
			if s.cfg.Progress != nil {
				s.cfg.Progress(opened)
			}
		}
	}
}

// Len is the number of connections.
func (s *Swarm) Len() int { return s.cfg.Connections }

// First is the number of the first connection (Config.First).
func (s *Swarm) First() int { return s.cfg.First }

// Loops is the number of event loops.
func (s *Swarm) Loops() int { return len(s.loops) }

// Opened is how many connections are open. Those that were lost count on.
func (s *Swarm) Opened() int { return int(s.opened.Load()) }

// Lost is how many connections have been lost.
func (s *Swarm) Lost() int { return int(s.died.Load()) }

// Run is the number that marks this swarm's payloads.
func (s *Swarm) Run() uint32 { return s.cfg.Run }

// Stream is the stream with index i in Config.Streams.
func (s *Swarm) Stream(i int) *Stream { return s.streams[i] }

// Streams are those of Config.Streams, in the same order.
func (s *Swarm) Streams() []*Stream { return slices.Clone(s.streams) }

// ClientIDs are the client ids from the init messages, by index of the
// connection. The caller owns the slice. Nil once the swarm is closed.
func (s *Swarm) ClientIDs() []string {
	ids := make([]string, s.cfg.Connections)
	for _, l := range s.loops {
		if !l.mail.do(func() {
			for i := range l.conns {
				ids[l.global(i)] = l.conns[i].id
			}
		}) {
			return nil
		}
	}
	return ids
}

// Delivered is how many committed payloads have arrived, and how many were
// committed: each receiver of a broadcast counts.
func (s *Swarm) Delivered() (received, expected int64) {
	return s.received.Load(), s.expected.Load()
}

// WaitDelivered returns nil when everything committed before the call has
// arrived, and an error when a connection is lost or ctx is done first. It may
// be called by one goroutine at a time.
func (s *Swarm) WaitDelivered(ctx context.Context) error {
	if s.lives.Load() {
		return s.waitLives(ctx)
	}
	goal := s.expected.Load()
	s.goal.Store(goal)
	for {
		received := s.received.Load()
		if received >= goal {
			return nil
		}
		if n := s.died.Load(); n > 0 {
			return fmt.Errorf("%d of %d messages have not arrived, and %d connections were lost", goal-received, goal, n)
		}
		select {
		case <-s.reached:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages have not arrived: %w", goal-received, goal, context.Cause(ctx))
		}
	}
}

// StopReading makes these connections slow readers: input stays in the kernel
// until ResumeReading.
func (s *Swarm) StopReading(connections ...int) error { return s.setReading(connections, false) }

// ResumeReading undoes StopReading.
func (s *Swarm) ResumeReading(connections ...int) error { return s.setReading(connections, true) }

func (s *Swarm) setReading(connections []int, reading bool) (err error) {
	for _, i := range connections {
		if i < 0 || i >= s.cfg.Connections {
			return fmt.Errorf("no connection %d", i)
		}
		l := s.loops[i%len(s.loops)]
		if !l.mail.do(func() { err = l.setReading(i/len(s.loops), reading) }) {
			return ErrClosed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var ErrClosed = errors.New("the swarm is closed")

// Close sends a close frame (1000) on every connection, closes them and ends
// the loops. Further calls do nothing.
func (s *Swarm) Close() {
	s.closing.Do(func() {
		s.final = s.report()
		for _, l := range s.loops {
			l.mail.do(func() { l.closing = true })
		}
		s.running.Wait()
		for _, l := range s.loops {
			l.release()
		}
	})
}
