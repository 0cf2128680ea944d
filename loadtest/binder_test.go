package loadtest

import (
	"context"
	"errors"
	"testing"

	"castgate/loadtest/control"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/swarm"
)

// connected opens a swarm that is closed when the test ends.
func connected(t *testing.T, c swarm.Config) *swarm.Swarm {
	t.Helper()
	s, err := swarm.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Connections that opened before settle or during it are bound, once.
func TestBinder(t *testing.T) {
	g := gatewaytest.New(t, false)
	b := newBinder(gatewaytest.Control(t, g, nil), 5, 2)
	s := connected(t, swarm.Config{URLs: []string{g.URL}, Connections: 30, First: 5, Arrived: b.arrived})
	if err := b.settle(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	g.Mu.Lock()
	for i, id := range s.ClientIDs() {
		if g.UIDs[id] != control.UID(5+i) || len(g.Groups[id]) != 1 || g.Groups[id][0] != control.GroupName((5+i)%2) {
			t.Errorf("%s is %q in %q", id, g.UIDs[id], g.Groups[id])
		}
	}
	g.Mu.Unlock()
	if b.settled() != 30 || len(b.waiting) != 0 {
		t.Errorf("%d bound, %d wait", b.settled(), len(b.waiting))
	}
	stopped, stop := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	stop(enough)
	if err := b.settle(stopped, 1); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}

// A client that the server does not know is an error, unless it may have left
// again.
func TestBinderRefused(t *testing.T) {
	g := gatewaytest.New(t, false)
	b := newBinder(gatewaytest.Control(t, g, nil), 0, 0)
	b.arrived(0, "nobody")
	errtest.Contains(t, b.settle(t.Context(), 1), "bind", "404")
	b.arrived(0, "nobody")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.follow(ctx) }()
	for b.settled() == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
