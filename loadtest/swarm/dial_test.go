package swarm

import (
	"testing"

	"castgate/loadtest/internal/gatewaytest"
)

// Every source connects to every target: otherwise only some of the ports would
// count.
func TestSourcesMeetAllTargets(t *testing.T) {
	a, b := gatewaytest.New(t, false), gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{a.URL, b.URL}, Connections: 8, Loops: 2, Sources: mustSources(t, "127.0.0.2-127.0.0.3")})
	if s.Report().Open != 8 {
		t.Fatal("not all are open")
	}
	for _, g := range []*gatewaytest.Gateway{a, b} {
		g.Mu.Lock()
		if len(g.From["127.0.0.2"]) != 2 || len(g.From["127.0.0.3"]) != 2 {
			t.Errorf("connections come from %v", g.From)
		}
		g.Mu.Unlock()
	}
}
