package swarm

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"castgate/loadtest/address"
	"castgate/loadtest/clock"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Everything a correct server does is found correct, with more loops than
// one, sources, and streams of both kinds.
func TestSwarmAgainstGoodServer(t *testing.T) {
	g := gatewaytest.New(t, false)
	sources, err := address.ParseSources("127.0.0.2-127.0.0.4")
	if err != nil {
		t.Fatal(err)
	}
	const n, pushes = 50, 20
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 2, InFlight: 7,
		Sources: sources, Streams: []payload.Kind{payload.Broadcast, payload.Unicast}, Header: "X-Test: 1\r\n"})
	ids := s.ClientIDs()
	if sorted := slices.Compact(slices.Sorted(slices.Values(ids))); len(sorted) != n || slices.Contains(ids, "") {
		t.Fatalf("client ids %q", ids)
	}
	all, one := s.Stream(0), s.Stream(1)
	sizes := []int{payload.MinSize, 64, 200, 70_000} // every form of a frame's length
	for i := range pushes {
		b := all.Append(nil, 0, sizes[i%len(sizes)], clock.Now())
		for _, id := range ids {
			g.Write(id, b)
		}
		all.Commit(0)
		b = one.Append(nil, i, 64, clock.Now())
		g.Write(ids[i], b)
		one.Commit(i)
	}
	delivered(t, s)
	r := s.Report()
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Open != n || r.Received != n*pushes+pushes || r.Texts != n+r.Received || r.Lost != 0 {
		t.Errorf("%+v", r)
	}
	if r.Connect.Count != n || r.Broadcast.Count != n*pushes || r.Unicast.Count != pushes || r.Last.Count != pushes {
		t.Errorf("histograms hold %d, %d, %d, %d values", r.Connect.Count, r.Broadcast.Count, r.Unicast.Count, r.Last.Count)
	}
	if r.Last.Min < r.Broadcast.Min || r.Last.Max != r.Broadcast.Max {
		t.Errorf("last receivers %+v, all receivers %+v", r.Last, r.Broadcast)
	}
	s.Close()
	if after := s.Report(); after.Received != r.Received || after.Open != n {
		t.Errorf("the report changed by closing: %+v", after)
	}
	if s.ClientIDs() != nil || s.StopReading(0) == nil {
		t.Error("a closed swarm answers")
	}
}

// Messages in fragments, pings between them, pongs: coder's server can't send
// fragments of its own choosing but through a writer that is flushed.
func TestSwarmAnswersPings(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3})
	for _, id := range g.All() {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := g.Conn(id).Ping(ctx); err != nil { // waits for the pong
			t.Errorf("%s: %v", id, err)
		}
		cancel()
	}
	if r := s.Report(); r.Pings != 3 || r.Err() != nil {
		t.Errorf("%d pings, %v", r.Pings, r.Err())
	}
}

func TestSwarmFragments(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 1})
	st := s.Stream(0)
	b := st.Append(nil, 0, 100_000, clock.Now())
	w, err := g.Conn("client-0").Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 { // coder sends a frame whenever its buffer is full
		n := min(len(b), 9_001)
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	st.Commit(0)
	delivered(t, s)
	if err := s.Report().Err(); err != nil {
		t.Error(err)
	}
}

func TestSwarmWithoutInit(t *testing.T) {
	g := gatewaytest.New(t, true)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 5, NoInit: true, Rate: 1000})
	for i, id := range s.ClientIDs() {
		if id != "" {
			t.Errorf("connection %d has the id %q", i, id)
		}
	}
	if r := s.Report(); r.Open != 5 || r.Err() != nil {
		t.Errorf("%d open, %v", r.Open, r.Err())
	}
}

// A reader that has stopped gets nothing until it resumes, and then all.
func TestSwarmSlowReader(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 2, ReceiveBuffer: 64 << 10})
	ids := s.ClientIDs()
	if err := s.StopReading(1); err != nil {
		t.Fatal(err)
	}
	st := s.Stream(0)
	const pushes, size = 16, 512 << 10
	written := make(chan struct{}, 2)
	var all [][]byte
	for range pushes {
		all = append(all, st.Append(nil, 0, size, clock.Now()))
		st.Commit(0)
	}
	for _, id := range ids {
		go func() {
			for _, b := range all {
				g.Write(id, b)
			}
			written <- struct{}{}
		}()
	}
	<-written // connection 0 has read everything; 8 MiB do not fit into the other's socket
	var r *Report
	for r = s.Report(); r.Received < pushes; r = s.Report() {
		time.Sleep(time.Millisecond)
	}
	if r.Received != pushes || r.LostOn != 1 {
		t.Errorf("received %d, %d connections miss something", r.Received, r.LostOn)
	}
	if err := s.ResumeReading(1); err != nil {
		t.Fatal(err)
	}
	<-written
	delivered(t, s)
	if err := s.Report().Err(); err != nil {
		t.Error(err)
	}
}

func TestSwarmProgressAndCancel(t *testing.T) {
	// A server that accepts and says nothing.
	url := gatewaytest.RawServer(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)); _, _ = c.Read(make([]byte, 1)) })
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("interrupted by hand")
	calls := 0
	_, err := Open(ctx, Config{URLs: []string{url}, Connections: 3, Progress: func(int) {
		if calls++; calls == 2 {
			cancel(stopped)
		}
	}})
	var open *OpenError
	if !errors.As(err, &open) || !errors.Is(err, stopped) || open.Opened != 0 || open.Wanted != 3 {
		t.Errorf("%v", err)
	}
}
