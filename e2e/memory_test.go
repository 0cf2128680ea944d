package e2e

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"castgate/internal/wstest"
	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// memoryClients is large enough for the cost of one client to stand out from pages
// and first use, and small enough for a quick test.
const memoryClients = 6000

// An idle client with a uid and a group stays below the promised memory, needs no
// goroutine, and messages leave no memory behind. make bench measures the whole PSS
// at 19,000 clients. Here other gateways run at the same time, and when they start
// and end the shares of common pages change.
func TestMemoryOfIdleClients(t *testing.T) {
	t.Parallel()
	if wstest.RaceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	g := wstest.Start(t)
	none := g.SettledPSS(math.MaxInt)
	before := g.Metrics()["go_goroutines"]
	crowd, err := swarm.Open(ctx, swarm.Config{
		URLs: []string{"ws://" + g.Addr + "/"}, Connections: memoryClients, AcceptForeign: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Close()
	api := control.New(g.ControlAddr, "", 4)
	defer api.Close()
	var all []control.Binding
	for i, id := range crowd.ClientIDs() {
		all = append(all, control.Binding{ClientID: id, UID: fmt.Sprintf("user-%d", i), Groups: []string{fmt.Sprintf("group-%d", i%500)}})
	}
	if err := api.Bind(ctx, all); err != nil {
		t.Fatal(err)
	}
	idle := g.SettledPSS(none + memoryClients<<10)
	each := (idle - none) / memoryClients
	t.Logf("%d bytes per client: PSS %d without clients, %d with %d", each, none, idle, memoryClients)
	if each > 1024 {
		t.Errorf("an idle client costs %d bytes, more than 1024", each)
	}
	if after := g.Metrics()["go_goroutines"]; after > before+20 {
		t.Errorf("%v goroutines without clients, %v with %d", before, after, memoryClients)
	}

	// 1 MiB through each of more than 1,000 clients, in messages of 64 KiB.
	var groups []string
	for i := range 90 {
		groups = append(groups, fmt.Sprintf("group-%d", i))
	}
	text := strings.Repeat("x", 64<<10)
	for range 16 {
		if matched := g.Push(wstest.M{"groups": groups}, text); matched != 90*memoryClients/500 {
			t.Fatalf("matched %d", matched)
		}
		g.AwaitMetric("castgate_deliveries_queued", 0)
	}
	after := g.SettledPSS(idle + idle/5)
	t.Logf("PSS %d after 1 MiB through each of 1,000", after)
	if after > idle+idle/5 {
		t.Errorf("PSS was %d and is %d after the messages: more than a fifth above", idle, after)
	}
}
