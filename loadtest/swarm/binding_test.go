package swarm

import (
	"fmt"
	"testing"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
)

// With BoundLater a push to a group is expected from the bind on, or from the
// first one that arrives: an earlier miss is no loss, a later one is.
func TestOwedOnceBound(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3, Streams: []payload.Kind{payload.Group}, BoundLater: true})
	st, ids := s.Stream(0), s.ClientIDs()
	push := func(to ...int) {
		b := st.Append(nil, 0, 64, clock.Now())
		for _, i := range to {
			g.Write(ids[i], b)
		}
		st.Commit(0)
	}
	push()
	s.lives.Store(true) // as in churn, which needs all this
	delivered(t, s)
	s.Bound([]Arrival{{0, ids[0]}, {1, "of an earlier life"}})
	push(0, 2)
	settle(t, s, 3+2)
	s.Bound([]Arrival{{2, ids[2]}}) // the message that has arrived stays the first
	push(0)
	settle(t, s, 3+3)
	if r := s.Report(); r.Expected != 2+2 || r.Received != 3 || r.Lost != 1 || r.LostOn != 1 {
		t.Errorf("%+v", r)
	}
}

func TestControlBatches(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3})
	c := gatewaytest.Control(t, g, nil)
	if err := c.Bind(t.Context(), s.Bindings(2)); err != nil {
		t.Error(err)
	}
	if err := c.Join(t.Context(), s.ClientIDs(), []string{"a"}); err != nil {
		t.Error(err)
	}
	unknown := make([]control.Binding, 2*control.BatchCommands+1)
	for i := range unknown {
		unknown[i] = control.Binding{ClientID: "client-0", UID: "u"}
	}
	if err := c.Bind(t.Context(), unknown); err != nil {
		t.Error(err)
	}
	unknown[2*control.BatchCommands].ClientID = "nobody"
	errtest.Contains(t, c.Bind(t.Context(), unknown), "bind", "404")
}

func TestBindings(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3, First: 7})
	got := fmt.Sprint(s.Bindings(2))
	ids := s.ClientIDs()
	want := fmt.Sprintf("[{%s loadtest-7 [loadtest-1]} {%s loadtest-8 [loadtest-0]} {%s loadtest-9 [loadtest-1]}]", ids[0], ids[1], ids[2])
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestControlMetric(t *testing.T) {
	c := gatewaytest.Control(t, gatewaytest.New(t, false), nil)
	for name, want := range map[string]float64{"go_goroutines": 12, "big": 1.5e6} {
		if v, err := c.Metric(t.Context(), name); err != nil || v != want {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	_, err := c.Metric(t.Context(), "nothing")
	errtest.Contains(t, err, "/metrics has no nothing")
}
