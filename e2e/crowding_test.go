package e2e

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

// arrivals counts how the attempts of many clients to connect ended.
type arrivals struct {
	served []*wstest.Client
	turned int // turned away with 503 or 1013
}

// arrive connects n clients at once and keeps those that are served.
func arrive(t *testing.T, g *wstest.Gateway, n int) arrivals {
	t.Helper()
	clients := make([]*wstest.Client, n)
	var turned, other atomic.Int64
	wstest.Parallel(n, 16, func(i int) {
		c, resp, err := g.TryDial(t, wstest.DialOptions{})
		var closed websocket.CloseError
		switch {
		case err == nil:
			clients[i] = c
		case resp != nil && resp.StatusCode == http.StatusServiceUnavailable,
			errors.As(err, &closed) && closed.Code == websocket.StatusTryAgainLater:
			turned.Add(1)
		default:
			if other.Add(1) == 1 {
				t.Errorf("client %d was neither served nor turned away with 503 or 1013: %v (%v)", i, err, resp)
			}
		}
	})
	if n := other.Load(); n > 1 {
		t.Errorf("so were %d clients in all", n)
	}
	a := arrivals{turned: int(turned.Load())}
	for _, c := range clients {
		if c != nil {
			a.served = append(a.served, c)
		}
	}
	return a
}

// TestFewFiles: with 600 open files and 2,000 clients the gateway serves as many as
// fit and turns the rest away. Its control port answers all the time, and it
// accepts new clients when old ones have left.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	g := wstest.StartWith(t, wstest.Options{Wrap: []string{"prlimit", "--nofile=600:600", "--"}})
	first := arrive(t, g, 2000)
	t.Logf("of 2000 clients %d were served, %d turned away", len(first.served), first.turned)
	if len(first.served) < 300 || len(first.served) > 600 || first.turned == 0 {
		t.Errorf("%d clients were served with 600 files, %d turned away", len(first.served), first.turned)
	}
	for range 50 { // also on new connections to the control port
		resp, err := g.Request("GET", "/v1/stats", nil, http.Header{"Connection": {"close"}})
		if err != nil {
			t.Fatalf("the control port does not answer: %v", err)
		}
		resp.Body.Close()
	}
	if n := g.Push(wstest.All(), "full house"); n != len(first.served) {
		t.Errorf("matched %d, want %d", n, len(first.served))
	}
	for _, c := range first.served {
		c.Expect("full house")
	}
	for _, c := range first.served[100:] {
		c.Close()
	}
	g.AwaitMetric("castgate_connections", 100)
	second := arrive(t, g, 100)
	if len(second.served) != 100 {
		t.Errorf("after the others left, %d of 100 new clients were served", len(second.served))
	}
	if n := g.Push(wstest.All(), "again"); n != 200 {
		t.Errorf("matched %d, want 200", n)
	}
	for _, c := range append(first.served[:100:100], second.served...) {
		c.Expect("again")
	}
}

// TestMaxConns: the limit is exact.
func TestMaxConns(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--max-conns", "20")
	first := arrive(t, g, 60)
	if len(first.served) != 20 || first.turned != 40 {
		t.Errorf("%d served and %d turned away, want 20 and 40", len(first.served), first.turned)
	}
	for _, c := range first.served {
		c.Close()
	}
	g.Settled(t)
	if again := arrive(t, g, 20); len(again.served) != 20 {
		t.Errorf("%d of 20 were served after all had left", len(again.served))
	}
}
