package loadtest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
)

// What a gateway does to slow readers and reports is no fault; what it does not
// report is.
func TestSlowReaders(t *testing.T) {
	const n = 6 // of which the last is slow
	var all sync.WaitGroup
	for name, c := range map[string]struct {
		closes, drops bool // from the second message on
		says          bool
		counts        int // how many of these it reports
		want          []string
		fault         string
	}{
		"kept":                   {says: true, want: []string{"1; the server closed 0", "received 5 of 5 messages"}},
		"closed":                 {closes: true, says: true, counts: 1, want: []string{"1; the server closed 1"}},
		"closed without a word":  {closes: true, want: []string{"1; the server closed 1"}},
		"closed, said otherwise": {closes: true, says: true, fault: "1 were lost, and the server reports that it closed 0"},
		"dropped":                {drops: true, says: true, counts: 4, want: []string{"1; the server closed 0", "received 1 of 5 messages; the server reports that it dropped 4"}},
		"dropped more elsewhere": {drops: true, says: true, counts: 9, want: []string{"received 1 of 5", "readers were too slow: 0 connections closed, 5 messages dropped"}},
		"lost some":              {drops: true, says: true, counts: 3, fault: "of the slow readers 1 messages did not reach them, and the server does not report"},
		"lost without a word":    {drops: true, fault: "of the slow readers 4 messages did not reach them"},
	} {
		// All wait until nothing has arrived for two seconds, so all run at once.
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				g := gatewaytest.New(t, false)
				g.Says = c.says
				pushes := 0
				control := gatewaytest.Tampered(t, g, nil, func(_ int64, k int, b []byte) [][]byte {
					if k != n-1 {
						return [][]byte{b}
					}
					pushes++
					if pushes == 1 || !c.drops && !c.closes {
						return [][]byte{b}
					}
					g.Mu.Lock()
					if c.closes && pushes == 2 {
						go g.Conns["client-5"].Close(1008, "slow consumer")
						g.SlowClosed += c.counts
					}
					if c.drops && pushes == 2 {
						g.SlowDropped += c.counts
					}
					g.Mu.Unlock()
					return nil
				})
				// Unicasts go to the connections in between, so that each message
				// to the last is a broadcast.
				p := planFor(g, Plan{Rate: 100, For: 50 * time.Millisecond, Callers: 1, BroadcastRate: 100, Slow: 1}, control)
				p.Swarm.InFlight = 1 // in order
				r, err := Run(t.Context(), "mixed", p)
				if c.fault != "" {
					errtest.Contains(t, err, c.fault)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				if err := r.WriteTable(&out); err != nil {
					t.Error(err)
				}
				for _, want := range c.want {
					if !strings.Contains(out.String(), want) {
						t.Errorf("%q is not in\n%s", want, out.String())
					}
				}
			})
		})
	}
	all.Wait()
}
