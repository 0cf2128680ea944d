package million

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"sync/atomic"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// The streams of every swarm.
const (
	streamAll = iota
	streamUID
	streamGroup
)

var streams = []payload.Kind{streamAll: payload.Broadcast, streamUID: payload.Unicast, streamGroup: payload.Group}

// part is one process's part of the connections, as called by net/rpc: every
// method takes an argument and fills in a reply. One call at a time, except
// Opened.
type part struct {
	opened  atomic.Int64
	all     *swarm.Swarm
	control *control.Client
}

// Opening is the argument of Open.
type Opening struct {
	URL, Control       string
	First, Connections int
	Groups             int
	Run                uint32
	Sources            []netip.Addr
	Rate               float64
	Timeout            time.Duration
}

// Expectation lists pushes that have been made, by their targets.
type Expectation struct {
	Broadcasts int
	Groups     []int
	UIDs       []int // indices of connections, from 0 in each swarm
}

// Findings are what a swarm has seen.
type Findings struct {
	Open               int
	Expected, Received uint64
	Pings              uint64
	Fault              string // "" if everything was as it should be
}

// None is an empty argument or reply.
type None struct{}

// Serve is the process of one swarm: it executes calls until in ends.
func Serve(in io.ReadCloser, out io.WriteCloser) error {
	s := &part{}
	server := rpc.NewServer()
	if err := server.RegisterName("Swarm", s); err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(pipe{in, out}))
	if s.all != nil {
		s.all.Close()
	}
	return nil
}

// pipe combines standard input and output into one connection.
type pipe struct {
	io.ReadCloser
	w io.WriteCloser
}

// Write implements io.Writer.
func (p pipe) Write(b []byte) (int, error) { return p.w.Write(b) }

// Close implements io.Closer.
func (p pipe) Close() error { return errors.Join(p.ReadCloser.Close(), p.w.Close()) }

// Open opens the connections; it replies when all are open.
func (s *part) Open(o Opening, _ *None) (err error) {
	s.control = control.New(o.Control, "", 2)
	s.all, err = swarm.Open(context.Background(), swarm.Config{
		URLs: []string{o.URL}, Connections: o.Connections, First: o.First, Groups: o.Groups, Run: o.Run,
		Sources: o.Sources, Rate: o.Rate, Timeout: o.Timeout, Streams: streams,
		Progress: func(opened int) { s.opened.Store(int64(opened)) },
	})
	return err
}

// Opened reports how many are open while Open runs.
func (s *part) Opened(_ None, n *int64) error {
	*n = s.opened.Load()
	return nil
}

var errNotOpen = errors.New("the swarm is not open")

// Bind binds every connection to its uid and joins it to its group.
func (s *part) Bind(groups int, _ *None) error {
	if s.all == nil {
		return errNotOpen
	}
	return s.control.Bind(context.Background(), s.all.Bindings(groups))
}

// Expect records what has been pushed and waits for it to arrive.
func (s *part) Expect(e Expectation, _ *None) error {
	if s.all == nil {
		return errNotOpen
	}
	for range e.Broadcasts {
		s.all.Stream(streamAll).Commit(0)
	}
	for _, g := range e.Groups {
		s.all.Stream(streamGroup).Commit(g)
	}
	for _, i := range e.UIDs {
		if i < 0 || i >= s.all.Len() {
			return fmt.Errorf("no connection %d", i)
		}
		s.all.Stream(streamUID).Commit(i)
	}
	return nil
}

// Await waits until everything expected has arrived, but not forever.
func (s *part) Await(patience time.Duration, _ *None) error {
	if s.all == nil {
		return errNotOpen
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.all.WaitDelivered(ctx)
}

// Report returns what has been seen so far.
func (s *part) Report(_ None, f *Findings) error {
	if s.all == nil {
		return errNotOpen
	}
	r := s.all.Report()
	*f = Findings{Open: r.Open, Expected: r.Expected, Received: r.Received, Pings: r.Pings}
	if err := r.Err(); err != nil {
		f.Fault = err.Error()
	}
	return nil
}

// Cut resets every connection at once.
func (s *part) Cut(_ None, _ *None) error {
	if s.all == nil {
		return errNotOpen
	}
	return s.all.Cut()
}
