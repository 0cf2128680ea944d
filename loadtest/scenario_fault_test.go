package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/swarm"
)

// pushingPlans are short plans of all scenarios that push.
var pushingPlans = map[string]Plan{
	"broadcast": {Rate: 200, For: 30 * time.Millisecond, Callers: 1},
	"group":     {Rate: 400, For: 30 * time.Millisecond, Callers: 1, Groups: 2},
	"unicast":   {Rate: 1000, For: 30 * time.Millisecond, Callers: 1},
	"mixed":     {Rate: 1000, For: 30 * time.Millisecond, Callers: 1, BroadcastRate: 200, Slow: 1},
	"churn":     {Rate: 200, For: 30 * time.Millisecond, Callers: 1, Replace: 50},
	"storm":     {Groups: 2},
}

// planFor completes a plan for six connections to a gateway.
func planFor(g *gatewaytest.Gateway, p Plan, c *control.Client) Plan {
	p.Swarm = swarm.Config{URLs: []string{g.URL}, Connections: 6}
	p.Control, p.Size, p.BroadcastSize = c, 64, 64
	if p.Patience == 0 {
		p.Patience = 30 * time.Second
	}
	return p
}

// A gateway that loses, duplicates, reorders or changes a message is caught in
// every scenario, and the error says what it did.
func TestBrokenGateways(t *testing.T) {
	for fault, c := range map[string]struct {
		tamper   func(hit bool, b []byte, held *[]byte) [][]byte
		patience time.Duration
		want     string
	}{
		"loses": {func(hit bool, b []byte, _ *[]byte) [][]byte {
			if hit {
				return nil
			}
			return [][]byte{b}
		}, 200 * time.Millisecond, "did not arrive"},
		"doubles": {func(hit bool, b []byte, _ *[]byte) [][]byte {
			if hit {
				return [][]byte{b, b}
			}
			return [][]byte{b}
		}, 0, "arrived more than once"},
		"reorders": {func(_ bool, b []byte, held *[]byte) [][]byte {
			// Each message is held back until the next one.
			before := *held
			*held = bytes.Clone(b)
			if before == nil {
				return nil
			}
			return [][]byte{b, before}
		}, 200 * time.Millisecond, "arrived after a later one"},
		"changes": {func(hit bool, b []byte, _ *[]byte) [][]byte {
			if hit {
				b = bytes.Clone(b)
				b[len(b)-1] ^= 1
			}
			return [][]byte{b}
		}, 200 * time.Millisecond, "arrived changed"},
	} {
		for name, plan := range pushingPlans {
			t.Run(fault+" in "+name, func(t *testing.T) {
				t.Parallel() // most of it waits
				if fault == "reorders" && name == "storm" {
					t.Skip("one message of each stream to each receiver has no order")
				}
				g := gatewaytest.New(t, false)
				var hits atomic.Int64
				held := map[string]*[]byte{} // by receiver, stream and target
				var mu sync.Mutex            // mixed has two callers
				plan.Patience = c.patience
				r, err := Run(t.Context(), name, planFor(g, plan, gatewaytest.Tampered(t, g, nil, func(n int64, k int, b []byte) [][]byte {
					mu.Lock()
					defer mu.Unlock()
					of := fmt.Sprintf("%d %s", k, b[10:21])
					if held[of] == nil {
						held[of] = new([]byte)
					}
					// The slow reader of mixed may lose messages, but not the
					// first client.
					// What a client misses while it leaves is forgiven, so in churn the
					// fault goes on until all are back.
					hit := k == 0 && (hits.Add(1) == 2 || name == "churn")
					return c.tamper(hit, b, held[of])
				})))
				errtest.Contains(t, err, c.want)
				if r == nil || r.Report == nil {
					t.Fatal("no result")
				}
			})
		}
	}
}

// If a server dies, the result has what was measured until then, and the error
// says what was going on.
func TestServerDies(t *testing.T) {
	for when, c := range map[string]struct {
		scenario string
		plan     Plan
		log      string // the log line at which it dies
		want     []string
	}{
		"holding":  {"idle", Plan{For: time.Hour}, "holding", []string{"while holding: no connection is left", "6 of 6 connections were lost"}},
		"pushing":  {"broadcast", Plan{Rate: 100, For: time.Hour, Callers: 1}, "pushing", []string{"while pushing", "6 of 6 connections were lost"}},
		"volleys":  {"group", Plan{For: time.Hour, Callers: 2, Groups: 2}, "pushing", []string{"while pushing", "6 of 6 connections were lost"}},
		"mixing":   {"mixed", Plan{Rate: 100, For: time.Hour, Callers: 1, BroadcastRate: 10, Slow: 2}, "pushing", []string{"while pushing", "4 of 4 connections were lost"}},
		"churning": {"churn", Plan{Rate: 100, For: time.Hour, Callers: 1, Replace: 100}, "pushing", []string{"while pushing and replacing", "connections were lost"}},
		"storming": {"storm", Plan{Groups: 2}, "all connections were reached", []string{"while in the storm", "connections were lost"}},
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel() // most of it waits
			g := gatewaytest.New(t, false)
			p := planFor(g, c.plan, gatewaytest.Control(t, g, nil))
			p.Patience = 500 * time.Millisecond
			p.Log = func(line string) {
				if strings.HasPrefix(line, c.log) {
					if c.scenario == "storm" {
						g.Die()
						return
					}
					time.AfterFunc(30*time.Millisecond, g.Die)
				}
			}
			r, err := Run(t.Context(), c.scenario, p)
			errtest.Contains(t, err, c.want...)
			if r == nil || r.Report == nil || r.Report.Connect.Count < 4 && c.scenario != "storm" || r.Interrupted != "" {
				t.Fatalf("%+v", r)
			}
			var out bytes.Buffer
			if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "connect") {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

// A server that dies while connections open, or accepts only some.
func TestServerDiesWhileOpening(t *testing.T) {
	var n atomic.Int64
	url := gatewaytest.RawServer(t, func(c net.Conn) {
		key := gatewaytest.ReadRequest(c)
		if n.Add(1) > 3 {
			return
		}
		gatewaytest.Accept(c, key)
		fmt.Fprint(c, "\x81\x11"+`{"client_id":"c"}`)
		_, _ = c.Read(make([]byte, 1))
	})
	r, err := Run(t.Context(), "connect", Plan{Swarm: swarm.Config{URLs: []string{url}, Connections: 5, InFlight: 1}})
	errtest.Contains(t, err, "while opening: opened 3 of 5 connections, then", "without answering")
	if r == nil || r.Report == nil || r.Report.Connect.Count != 3 {
		t.Fatalf("%+v", r)
	}
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "3 of them in") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A run that is interrupted reports what was going on, and what it has
// measured.
func TestInterruptedInEachPhase(t *testing.T) {
	silent := gatewaytest.RawServer(t, func(c net.Conn) { gatewaytest.ReadRequest(c); gatewaytest.ReadRequest(c) })
	for doing, c := range map[string]struct {
		scenario string
		plan     Plan
		log      string // the log line at which it is interrupted
	}{
		"opening":                           {"connect", Plan{Swarm: swarm.Config{URLs: []string{silent}, Connections: 2}}, ""},
		"settling":                          {"idle", Plan{Settle: time.Hour}, "6 connections open"},
		"holding":                           {"idle", Plan{For: time.Hour}, "holding"},
		"pushing":                           {"unicast", Plan{Rate: 100, For: time.Hour, Callers: 1}, "pushing"},
		"pushing and replacing connections": {"churn", Plan{Rate: 100, For: time.Hour, Callers: 1, Replace: 10}, "pushing"},
		"in the storm":                      {"storm", Plan{Groups: 2}, "all connections were reached"},
	} {
		t.Run(doing, func(t *testing.T) {
			t.Parallel() // most of it waits
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := c.plan
			if c.log != "" {
				g := gatewaytest.New(t, false)
				p = planFor(g, p, gatewaytest.Control(t, g, nil))
			} else {
				time.AfterFunc(30*time.Millisecond, cancel)
			}
			p.Log = func(line string) {
				if c.log != "" && strings.HasPrefix(line, c.log) {
					cancel()
				}
			}
			r, err := Run(ctx, c.scenario, p)
			if err != nil || r.Interrupted != doing || r.Report == nil || r.Report.Lost != 0 {
				t.Fatalf("%v, %+v", err, r)
			}
			var out bytes.Buffer
			if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "while "+doing) {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

// The limit for everything ends a run with an error and the results so far.
func TestLimit(t *testing.T) {
	g := gatewaytest.New(t, false)
	p := planFor(g, Plan{For: time.Hour, Limit: 50 * time.Millisecond}, nil)
	r, err := Run(t.Context(), "idle", p)
	errtest.Contains(t, err, "while holding: not done after 50ms")
	if !errors.Is(err, errLimit) || r == nil || r.Report.Open != 6 || r.Interrupted != "" {
		t.Errorf("%+v", r)
	}
	silent := gatewaytest.RawServer(t, func(c net.Conn) { gatewaytest.ReadRequest(c); gatewaytest.ReadRequest(c) })
	_, err = Run(t.Context(), "connect", Plan{Limit: 50 * time.Millisecond, Swarm: swarm.Config{URLs: []string{silent}, Connections: 2}})
	errtest.Contains(t, err, "while opening: not done after 50ms")
}
