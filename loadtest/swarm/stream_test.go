package swarm

import (
	"testing"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
)

// A push whose outcome is unknown may have arrived: that is not a message that
// was never sent.
func TestUnknownOutcome(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 2})
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, clock.Now())
	for _, id := range s.ClientIDs() {
		g.Write(id, b)
	}
	if r := settle(t, s, 4); r.Err() != nil || r.Unexpected != 0 || r.Expected != 0 {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

func TestMirror(t *testing.T) {
	g := gatewaytest.New(t, false)
	a := open(t, Config{URLs: []string{g.URL}, Connections: 2, Run: 9})
	b := open(t, Config{URLs: []string{g.URL}, Connections: 3, Run: 9, First: 2})
	a.Stream(0).Mirror(b.Stream(0))
	if n := a.Stream(0).Receivers(0); n != 5 {
		t.Errorf("%d receivers", n)
	}
	message := a.Stream(0).Append(nil, 0, 64, clock.Now())
	for _, id := range g.All()[1:] {
		g.Write(id, message)
	}
	a.Stream(0).Commit(0)
	delivered(t, b)
	r := ReportOf(a, b)
	errtest.Contains(t, r.Err(), "1 of 5 messages did not arrive, on 1 connections")
	if r.Connections != 5 || r.Open != 5 || r.Connect.Count != 5 || r.Broadcast.Count != 4 {
		t.Errorf("%+v", r)
	}
}
