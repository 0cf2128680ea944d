package e2e

import (
	"context"
	"math"
	"testing"

	"castgate/internal/wstest"
	"castgate/loadtest/swarm"
)

// secureClients is small, since both ends of each TLS handshake run on this
// machine.
const secureClients = 2000

// An idle wss client needs no goroutine and less than the promised 12 KB. When all
// clients have left, their memory is given back, even if memory was already given
// back while they were connected.
func TestMemoryOfIdleSecureClients(t *testing.T) {
	t.Parallel()
	if wstest.RaceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	g, ca, _ := startSecure(t)
	none := g.SettledPSS(math.MaxInt)
	before := g.Metrics()["go_goroutines"]
	crowd, err := swarm.Open(ctx, swarm.Config{
		URLs: []string{"wss://" + g.Listeners["wss"] + "/"}, Connections: secureClients, TLS: ca.Trust(), AcceptForeign: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	idle := g.SettledPSS(none + secureClients*12<<10)
	each := (idle - none) / secureClients
	t.Logf("%d bytes per client: PSS %d without clients, %d with %d", each, none, idle, secureClients)
	if each > 12<<10 {
		t.Errorf("an idle client of wss costs %d bytes, more than 12 KB", each)
	}
	if after := g.Metrics()["go_goroutines"]; after > before+20 {
		t.Errorf("%v goroutines without clients, %v with %d", before, after, secureClients)
	}
	crowd.Close()
	g.AwaitMetric("castgate_sockets", 0)
	after := 0
	wstest.Await(t, func() string {
		if after = wstest.PSSAnon(t, g.PID()); after-none > (idle-none)/2 {
			return "most of the memory of clients that have left is kept"
		}
		return ""
	})
	t.Logf("PSS %d when all have left", after)
}
