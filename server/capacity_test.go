package server

import (
	"strings"
	"testing"
)

// More clients may come at once, and fewer; those who are there stay.
func TestSetMaxConns(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns = 1 })
	first := s.dial()
	if _, err := s.tryDial(); err == nil {
		t.Fatal("a client above max-conns was taken")
	}
	limits := s.config.Capacity()
	limits.MaxConns = 2
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	// The refused socket may still be open.
	var second *testClient
	eventually(t, "room for a second client", func() (ok bool) {
		second, _ = s.tryDial()
		return second != nil
	})
	limits.MaxConns = 1
	if err := s.SetCapacity(limits); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryDial(); err == nil {
		t.Error("a client above the lower max-conns was taken")
	}
	s.push(Targets{All: true}, "to both")
	first.expect("to both")
	second.expect("to both")
	if st := s.stats(); st.MaxConns != 1 || st.Connections != 2 {
		t.Errorf("%d of %d clients", st.Connections, st.MaxConns)
	}
	for _, wrong := range []Capacity{{1, 0, SlowClose}, {-1, 1, SlowClose}, {1, 1, "shout"}, {1 << 30, 1, SlowClose}} {
		if err := s.SetCapacity(wrong); err == nil || !strings.Contains(err.Error(), ": ") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if s.MaxConns() != 1 {
		t.Errorf("wrong limits were taken: %d", s.MaxConns())
	}
}

// A lower send queue and the other slow policy hold for connected clients.
func TestSetSendQueue(t *testing.T) {
	const before, after = 64 << 20, 16 << 10
	s := startServer(t, func(c *Config) { c.SendQueue = before })
	c := s.dialRaw()
	if err := s.SetCapacity(Capacity{SendQueue: after, SlowPolicy: SlowDrop}); err != nil {
		t.Fatal(err)
	}
	payload := strings.Repeat("x", 8<<10)
	fill(s, Targets{All: true}, payload, func(st Stats) bool { return st.Dropped["slow"] > 0 })
	if st := s.stats(); st.Closes["slow"] != 0 || st.QueuedBytes > after+2*len(payload) {
		t.Errorf("%d closed as slow, %d bytes wait", st.Closes["slow"], st.QueuedBytes)
	}
	if err := s.SetCapacity(Capacity{SendQueue: after, SlowPolicy: SlowClose}); err != nil {
		t.Fatal(err)
	}
	fill(s, Targets{All: true}, payload, func(st Stats) bool { return st.Connections == 0 })
	if _, code, reason := c.drain(); code != 1008 || reason != "slow consumer" {
		t.Errorf("closed with %d %q", code, reason)
	}
}
