package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"castgate/loadtest/control"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/swarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScenarios(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		scenario string
		plan     Plan
		received uint64 // at most; 0: any number
	}{
		"connect":               {"connect", Plan{}, 0},
		"idle, bound":           {"idle", Plan{Bind: true, Groups: 3, For: ms}, 0},
		"broadcast":             {"broadcast", Plan{Rate: 200, For: 50 * ms, Callers: 1}, 100},
		"broadcast, closed":     {"broadcast", Plan{For: 30 * ms, Callers: 4}, 0},
		"group":                 {"group", Plan{Rate: 200, For: 50 * ms, Callers: 2, Groups: 3}, 40},
		"group, closed":         {"group", Plan{For: 30 * ms, Callers: 4, Groups: 5}, 0},
		"unicast":               {"unicast", Plan{Rate: 500, For: 50 * ms, Callers: 5, Bind: true}, 25},
		"unicast, as they come": {"unicast", Plan{For: 30 * ms, Callers: 3}, 0},
		"mixed":                 {"mixed", Plan{Rate: 500, For: 50 * ms, Callers: 2, BroadcastRate: 100, Slow: 2}, 26 + 8*5},
		"mixed, nothing beside": {"mixed", Plan{Rate: 500, For: 50 * ms, Callers: 1, Bind: true}, 25},
		"churn":                 {"churn", Plan{Rate: 200, For: 100 * ms, Callers: 2, Replace: 200}, 0},
		"churn, bound":          {"churn", Plan{Rate: 200, For: 50 * ms, Callers: 1, Replace: 100, Bind: true, Groups: 2}, 0},
		"churn, everything":     {"churn", Plan{Rate: 100, For: 200 * ms, Callers: 2, Replace: 100, Broken: 0.5, Stay: 3, Groups: 3, GroupRate: 300, UnicastRate: 300}, 0},
		"storm":                 {"storm", Plan{Groups: 3}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it waits
			g := gatewaytest.New(t, false)
			p := c.plan
			p.Control, p.PID, p.Size, p.BroadcastSize, p.Patience = gatewaytest.Control(t, g, nil), os.Getpid(), 64, 100, 30*time.Second
			p.Swarm = swarm.Config{URLs: []string{g.URL}, Connections: 10}
			r, err := Run(t.Context(), c.scenario, p)
			if err != nil {
				t.Fatal(err)
			}
			open := 10 - p.Slow
			if r.Report.Open != open || r.Opening <= 0 || r.Server == nil || r.Server.Threads == 0 || r.Server.PSS == 0 {
				t.Errorf("%+v, %d open", r, r.Report.Open)
			}
			if pushing := p.Callers > 0; pushing && (r.Report.Received == 0 || r.Deliveries == 0 || r.Pushes.Taken == 0) ||
				c.received > 0 && r.Report.Received > c.received {
				t.Errorf("%d received, want %d", r.Report.Received, c.received)
			}
			for _, w := range r.Warnings {
				if !ofABusyMachine(w) {
					t.Errorf("warning %q", w)
				}
			}
			var out bytes.Buffer
			if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), c.scenario+", 10 connections") {
				t.Errorf("%v\n%s", err, out.String())
			}
			if b, err := json.Marshal(r); err != nil || !bytes.Contains(b, []byte(`"connections":10`)) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

// ofABusyMachine recognizes warnings that this machine, and the memory of this
// process, may cause although all is well.
func ofABusyMachine(warning string) bool {
	return slices.ContainsFunc([]string{"swarm was busy", "were made", "had not come back", "other processes used", "no more memory", "lists some that have left"},
		func(text string) bool { return strings.Contains(warning, text) })
}

// A refused push is counted and warned of, and its number is reused, so that
// nothing seems lost.
func TestRefusedPushes(t *testing.T) {
	g := gatewaytest.New(t, false)
	p := Plan{
		Swarm:   swarm.Config{URLs: []string{g.URL}, Connections: 3},
		Control: gatewaytest.Control(t, g, func(n int64) bool { return n%2 == 0 }),
		Rate:    1000, For: 20 * time.Millisecond, Size: 64, Callers: 1, Patience: 30 * time.Second,
	}
	r, err := Run(t.Context(), "broadcast", p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Pushes.Taken == 0 || r.Pushes.Refused == 0 || r.Report.Received != uint64(3*r.Pushes.Taken) {
		t.Errorf("%+v, received %d", r.Pushes, r.Report.Received)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "refused") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// Clients that are not ours show in the server's answers.
func TestOtherClientsAreNoticed(t *testing.T) {
	g := gatewaytest.New(t, false)
	connected(t, swarm.Config{URLs: []string{g.URL}, Connections: 1, AcceptForeign: true})
	r, err := Run(t.Context(), "broadcast", Plan{
		Swarm: swarm.Config{URLs: []string{g.URL}, Connections: 2}, Control: gatewaytest.Control(t, g, nil),
		Rate: 100, For: 15 * time.Millisecond, Size: 64, Callers: 1, Patience: 30 * time.Second,
	})
	if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "other clients are connected") {
		t.Errorf("%v, warnings %q", err, r.Warnings)
	}
}

// A run that is interrupted ends with what it has measured.
func TestRunInterrupted(t *testing.T) {
	g := gatewaytest.New(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	p := Plan{
		Swarm: swarm.Config{URLs: []string{g.URL}, Connections: 2}, Control: gatewaytest.Control(t, g, nil),
		Rate: 1000, For: time.Hour, Size: 64, Callers: 2, Patience: 30 * time.Second,
		Log: func(line string) {
			if strings.HasPrefix(line, "pushing") {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
		},
	}
	r, err := Run(ctx, "broadcast", p)
	if err != nil || r.Report.Lost != 0 || r.Report.Received != uint64(2*r.Pushes.Taken) {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestPlanRefused(t *testing.T) {
	some := Plan{Control: control.New("127.0.0.1:1", "", 1), Callers: 1, Size: 64}
	some.Swarm = swarm.Config{URLs: []string{"ws://127.0.0.1:1"}, Connections: 2}
	for want, change := range map[string]func(*Plan) string{
		`unknown scenario "stork"`:              func(*Plan) string { return "stork" },
		"needs the control API":                 func(p *Plan) string { p.Control = nil; return "unicast" },
		"idle needs the control":                func(p *Plan) string { p.Control = nil; p.Bind = true; return "idle" },
		"callers: 0":                            func(p *Plan) string { p.Callers = 0; return "broadcast" },
		"callers: 251 is not between 1":         func(p *Plan) string { p.Callers = 251; return "group" },
		"size: 58 is not between 59":            func(p *Plan) string { p.Size = 58; return "broadcast" },
		"broadcast size: 0 is not":              func(*Plan) string { return "mixed" },
		"rate: -1":                              func(p *Plan) string { p.Rate = -1; return "broadcast" },
		"rate: NaN":                             func(p *Plan) string { p.Rate = math.NaN(); return "broadcast" },
		"slow readers: 1 is not between 0":      func(p *Plan) string { p.Slow, p.BroadcastSize = 1, 64; return "mixed" },
		"connections replaced: 0 per second is": func(*Plan) string { return "churn" },
		"connections reset: 1.5 is not": func(p *Plan) string {
			p.Replace, p.Broken = 1, 1.5
			return "churn"
		},
		"connections that stay: 2 is not": func(p *Plan) string {
			p.Replace, p.Stay = 1, p.Swarm.Connections
			return "churn"
		},
		"duration: -1s is not between": func(p *Plan) string { p.For = -time.Second; return "idle" },
		"patience: -1s is not between": func(p *Plan) string { p.Patience = -time.Second; return "idle" },
		"groups: 3 is not between":     func(p *Plan) string { p.Groups = 3; return "storm" },
		"need client ids":              func(p *Plan) string { p.Swarm.NoInit = true; return "unicast" },
		"connections: 0":               func(p *Plan) string { p.Swarm.Connections = 0; return "connect" },
		"do not fit: the ports":        func(p *Plan) string { p.Swarm.Connections = 65537; return "connect" },
	} {
		p := some
		name := change(&p)
		r, err := Run(t.Context(), name, p)
		if strings.Contains(want, "ports") && errors.As(err, new(*swarm.FilesError)) {
			continue // this host has even fewer files
		}
		errtest.Contains(t, err, want)
		if r != nil {
			t.Errorf("%s: the result has an invalid plan", want)
		}
	}
}
