package loadtest

import (
	"context"
	"errors"
	"testing"
)

// Connections that opened before settle or during it are bound, once.
func TestBinder(t *testing.T) {
	g := newGateway(t, false)
	b := newBinder(controlOf(t, g, nil), 5, 2)
	s := open(t, Config{URLs: []string{g.url}, Connections: 30, First: 5, Arrived: b.arrived})
	if err := b.settle(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	for i, id := range s.ClientIDs() {
		if g.uids[id] != UID(5+i) || len(g.groups[id]) != 1 || g.groups[id][0] != GroupName((5+i)%2) {
			t.Errorf("%s is %q in %q", id, g.uids[id], g.groups[id])
		}
	}
	g.mu.Unlock()
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
	g := newGateway(t, false)
	b := newBinder(controlOf(t, g, nil), 0, 0)
	b.arrived(0, "nobody")
	wants(t, b.settle(t.Context(), 1), "bind", "404")
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

// With boundLater a push to a group is expected from the bind on, or from the
// first one that arrives: an earlier miss is no loss, a later one is.
func TestOwedOnceBound(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 3, Streams: []Kind{Group}, boundLater: true})
	st, ids := s.Stream(0), s.ClientIDs()
	push := func(to ...int) {
		b := st.Append(nil, 0, 64, Now())
		for _, i := range to {
			g.write(ids[i], b)
		}
		st.Commit(0)
	}
	push()
	s.lives.Store(true) // as in churn, which needs all this
	delivered(t, s)
	s.bound([]arrival{{0, ids[0]}, {1, "of an earlier life"}})
	push(0, 2)
	settle(t, s, 3+2)
	s.bound([]arrival{{2, ids[2]}}) // the message that has arrived stays the first
	push(0)
	settle(t, s, 3+3)
	if r := s.Report(); r.Expected != 2+2 || r.Received != 3 || r.Lost != 1 || r.LostOn != 1 {
		t.Errorf("%+v", r)
	}
}
