package swarm

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
)

func TestCutAndReopen(t *testing.T) {
	g := gatewaytest.New(t, false)
	const n = 40
	var arrivals atomic.Int32
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 2,
		Arrived: func(_ int, id string) {
			if id != "" {
				arrivals.Add(1)
			}
		}})
	pushAll(g, s)
	delivered(t, s)
	before := s.ClientIDs()
	for range 2 {
		if err := s.Cut(); err != nil {
			t.Fatal(err)
		}
		if r := s.Report(); r.Open != 0 || r.Err() != nil {
			t.Fatalf("%d open, %v", r.Open, r.Err())
		}
		if err := s.Reopen(t.Context()); err != nil {
			t.Fatal(err)
		}
		pushAll(g, s)
		delivered(t, s)
	}
	after := s.ClientIDs()
	for i, id := range before {
		if id == after[i] {
			t.Errorf("connection %d is %s as before", i, id)
		}
	}
	r := s.Report()
	if r.Err() != nil || r.Open != n || r.Expected != 3*n || r.Received != 3*n || arrivals.Load() != 3*n {
		t.Errorf("%+v, %v, %d arrivals", r, r.Err(), arrivals.Load())
	}
}

// A reconnected client expects what is pushed from then on, and a gap is
// noticed.
func TestLossAfterReopening(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 2})
	pushAll(g, s)
	delivered(t, s)
	if err := s.Cut(); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, clock.Now())
	g.Write(s.ClientIDs()[1], b) // and not to the first
	st.Commit(0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	errtest.Contains(t, s.WaitDelivered(ctx), "1 messages have not arrived")
	errtest.Contains(t, s.Report().Err(), "1 of 4 messages did not arrive, on 1 connections")
	pushAll(g, s) // the gap stays, and is counted when the connection ends
	settle(t, s, 2+2+2+1+2)
	if err := s.Cut(); err != nil {
		t.Fatal(err)
	}
	errtest.Contains(t, s.Report().Err(), "1 of 6 messages did not arrive, on 1 connections")
}

func TestReplace(t *testing.T) {
	g := gatewaytest.New(t, false)
	const n = 20
	back := make(chan int, n)
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 3, Arrived: func(i int, _ string) { back <- i }})
	for range n {
		<-back
	}
	pushAll(g, s)
	delivered(t, s)
	if left, err := s.Replace(3, 4); err != nil || left != 2 {
		t.Errorf("%d left, %v", left, err)
	}
	if _, err := s.Replace(n); err == nil {
		t.Error("there is no such connection")
	}
	if got := []int{<-back, <-back}; !slices.Equal(slices.Sorted(slices.Values(got)), []int{3, 4}) {
		t.Errorf("%v are back", got)
	}
	pushAll(g, s)
	delivered(t, s)
	r := s.Report()
	if r.Err() != nil || r.Open != n || r.Expected != 2*n || r.Received != 2*n || r.Closes != 2 {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

func TestBreak(t *testing.T) {
	g := gatewaytest.New(t, false)
	const n = 20
	back := make(chan int, n)
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 3, Arrived: func(i int, _ string) { back <- i }})
	for range n {
		<-back
	}
	before := s.ClientIDs()
	if broken, err := s.Break(5, 6); err != nil || broken != 2 {
		t.Errorf("%d broken, %v", broken, err)
	}
	<-back
	<-back
	pushAll(g, s)
	delivered(t, s)
	for i, id := range s.ClientIDs() {
		if broken := i == 5 || i == 6; broken != (id != before[i]) {
			t.Errorf("connection %d was %s and is %s", i, before[i], id)
		}
	}
	if r := s.Report(); r.Err() != nil || r.Open != n || r.Received != n || r.Closes != 0 {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

// A server that is gone when its clients reconnect.
func TestReopenFails(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3})
	if err := s.Cut(); err != nil {
		t.Fatal(err)
	}
	g.Server.Close()
	errtest.Contains(t, s.Reopen(t.Context()), "opened 0 of 3", "connection refused")
	errtest.Contains(t, s.Report().Err(), "of 3 connections were lost")
	s.Close()
	if s.Cut() == nil || s.Reopen(t.Context()) == nil || s.ForgetLatencies() == nil {
		t.Error("a closed swarm answers")
	}
}

func TestGroups(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 5, First: 1, Groups: 2, Streams: []payload.Kind{payload.Group, payload.Unicast}})
	groups, one := s.Stream(0), s.Stream(1)
	if groups.Receivers(0) != 2 || groups.Receivers(1) != 3 || one.Receivers(4) != 1 {
		t.Errorf("%d and %d receivers", groups.Receivers(0), groups.Receivers(1))
	}
	ids := s.ClientIDs()
	for range 3 {
		for group := range 2 {
			b := groups.Append(nil, group, 64, clock.Now())
			for i, id := range ids {
				if (1+i)%2 == group {
					g.Write(id, b)
				}
			}
			groups.Commit(group)
		}
	}
	g.Write(ids[4], one.Append(nil, 4, 64, clock.Now()))
	one.Commit(4)
	delivered(t, s)
	if r := s.Report(); r.Err() != nil || r.Received != 16 || r.Group.Count != 15 {
		t.Errorf("%+v, %v", r, r.Err())
	}
	if err := s.ForgetLatencies(); err != nil {
		t.Error(err)
	}
	g.Write(ids[0], groups.Append(nil, 0, 64, clock.Now())) // which is in group 1
	r := settle(t, s, 5+16+1)
	errtest.Contains(t, r.Err(), "1 messages reached a connection they were not for")
	if r.Group.Count != 0 || r.Received != 16 {
		t.Errorf("%d latencies, %d received after they were forgotten", r.Group.Count, r.Received)
	}
}

// A server that wraps payloads, several in one message, and waits for a
// greeting.
func TestGreetingAndUnwrap(t *testing.T) {
	g := gatewaytest.New(t, true)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 2, NoInit: true, Greeting: []byte(gatewaytest.Greeting),
		Unwrap: func(rest []byte) (payload, after []byte) {
			_, rest, ok := bytes.Cut(rest, []byte("<"))
			if !ok {
				return nil, nil
			}
			payload, after, _ = bytes.Cut(rest, []byte(">"))
			return payload, after
		}})
	st := s.Stream(0)
	var message []byte
	for range 2 {
		message = append(message, "and <"...)
		message = st.Append(message, 0, 64, clock.Now())
		message = append(message, '>')
		st.Commit(0)
	}
	for _, id := range g.All() {
		g.Write(id, []byte("nothing for us"))
		g.Write(id, message)
	}
	delivered(t, s)
	if r := s.Report(); r.Err() != nil || r.Received != 4 || r.Texts != 6 {
		t.Errorf("%+v, %v", r, r.Err())
	}
}
