package loadtest

import (
	"sync"
	"testing"
	"time"

	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/swarm"
)

// A run reports its progress: while connections open, while it measures, and
// what has arrived.
func TestProgress(t *testing.T) {
	g := gatewaytest.New(t, false)
	var told sync.Mutex
	var opening, measuring []Progress
	p := Plan{
		// Slow enough for the opening to be reported.
		Swarm: swarm.Config{URLs: []string{g.URL}, Connections: 4, Rate: 5}, Control: gatewaytest.Control(t, g, nil),
		Rate: 100, For: 300 * time.Millisecond, Size: 64, Callers: 1, Patience: 30 * time.Second,
		Progress: func(p Progress) {
			told.Lock()
			defer told.Unlock()
			if p.Measuring {
				measuring = append(measuring, p)
			} else {
				opening = append(opening, p)
			}
		},
	}
	if _, err := Run(t.Context(), "broadcast", p); err != nil {
		t.Fatal(err)
	}
	told.Lock()
	defer told.Unlock()
	if len(opening) == 0 || len(measuring) == 0 {
		t.Fatalf("told %d times of the opening, %d times of measuring", len(opening), len(measuring))
	}
	if first := opening[0]; first.Connections != 4 || first.Open >= 4 {
		t.Errorf("%+v", first)
	}
	last := measuring[len(measuring)-1]
	if last.Connections != 4 || last.Open != 4 || last.For != p.For || last.Elapsed <= 0 || last.Expected == 0 || last.Received > last.Expected {
		t.Errorf("%+v", last)
	}
}
