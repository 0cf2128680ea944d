package swarm

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"castgate/loadtest/address"
	"castgate/loadtest/clock"
	"castgate/loadtest/internal/gatewaytest"
)

// settle waits until the swarm has received n text messages.
func settle(t *testing.T, s *Swarm, n uint64) *Report {
	t.Helper()
	for range 30_000 {
		if r := s.Report(); r.Texts+r.Binaries >= n {
			return r
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d messages have not come", n)
	return nil
}

func mustSources(t *testing.T, list string) (all []netip.Addr) {
	all, err := address.ParseSources(list)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// open opens a swarm that is closed when the test ends.
func open(t *testing.T, c Config) *Swarm {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// delivered waits until everything committed has arrived, however long a busy
// machine takes.
func delivered(t *testing.T, s *Swarm) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
}

// pushAll sends the next broadcast of stream 0 to the connected clients.
func pushAll(g *gatewaytest.Gateway, s *Swarm) {
	b := s.Stream(0).Append(nil, 0, 64, clock.Now())
	for _, id := range s.ClientIDs() {
		g.Write(id, b)
	}
	s.Stream(0).Commit(0)
}
