package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// loadtestResult is the part of loadtest's JSON that tests read.
type loadtestResult struct {
	Scenario    string
	Connections int
	Interrupted string
	Fault       string
	Server      struct{ PID int }
	Pushes      struct{ Taken, Matched, Receivers int }
	Report      struct {
		Open, Expected, Received, Lost, Duplicates, Reordered, Corrupt, Misrouted, Foreign int
		Closes                                                                             int
		Deflated                                                                           int
		Handshakes                                                                         int `json:"tls_handshakes"`
		Resumed                                                                            int `json:"tls_resumed"`
	}
	Mixed struct {
		Broadcasts  struct{ Taken int }
		SlowReaders struct{ Readers, Owed, Received, Closed int } `json:"slow_readers"`
	}
	Churn struct {
		Replaced int
		Back     bool
	}
	Storm struct {
		AllBound time.Duration `json:"all_bound_ns"`
		Open     int
		Bound    int
		UIDs     int
	}
}

// play runs loadtest against g and returns its exit code, result and stderr.
func play(t *testing.T, g *wstest.Gateway, program string, args ...string) (code int, r loadtestResult, log string) {
	t.Helper()
	args = slices.Concat(args, []string{"--settle", "0", "--json", "--no-progress", "--patience", "60s", "--control", g.ControlAddr})
	if !slices.Contains(args, "--url") {
		args = append(args, "--url", "ws://"+g.Addr+"/")
	}
	if args[0] == "connect" || args[0] == "idle" {
		args = slices.DeleteFunc(args, func(a string) bool { return a == "--patience" || a == "60s" })
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%q: exit code %d, %v\n%s\n%s", args, code, err, stdout.String(), stderr.String())
	}
	return code, r, stderr.String()
}

// TestLoadtest runs the real programs against each other.
func TestLoadtest(t *testing.T) {
	t.Parallel()
	program := loadtestProgram(t)
	for name, test := range map[string]func(*testing.T, string){
		"scenarios": loadtestScenarios, "slow readers": loadtestSlowReaders, "gateway killed": loadtestGatewayKilled,
		"wss": loadtestSecure, "compressed": loadtestCompressed, "wss refused": loadtestSecureRefused,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, program)
		})
	}
}

// Every scenario of loadtest against the gateway: nothing is lost, and both sides
// count the same.
func loadtestScenarios(t *testing.T, program string) { playAll(t, program, wstest.Start(t)) }

// playAll plays every scenario with additional flags and returns the results.
func playAll(t *testing.T, program string, g *wstest.Gateway, more ...string) (results []loadtestResult) {
	t.Helper()
	const n = 200
	for _, c := range []struct {
		args     []string
		least    int // messages
		multiple int // the number of messages is a multiple of it; 0 allows any
	}{
		{[]string{"connect"}, 0, 0},
		{[]string{"idle", "--duration", "100ms", "--bind", "--groups", "3"}, 0, 0},
		{[]string{"broadcast", "--duration", "500ms", "--rate", "20"}, n, n},
		{[]string{"broadcast", "--duration", "500ms", "--rate", "0", "--callers", "4"}, 4 * n, 4 * n},
		{[]string{"group", "--duration", "500ms", "--rate", "50", "--groups", "10", "--members", "20"}, 20, 20},
		{[]string{"group", "--duration", "500ms", "--rate", "0", "--callers", "2", "--groups", "10"}, 40, 40},
		{[]string{"unicast", "--duration", "500ms", "--rate", "200", "--callers", "2"}, 1, 1},
		{[]string{"unicast", "--duration", "500ms", "--rate", "0", "--callers", "4", "--bind"}, 1, 1},
		{[]string{"mixed", "--duration", "500ms", "--rate", "100", "--broadcast-rate", "10", "--slow", "5"}, n - 5, 0},
		{[]string{"churn", "--duration", "500ms", "--rate", "20", "--replace", "100"}, n, 0},
		{[]string{"storm", "--groups", "10"}, 6 * n, 6 * n},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			before := g.Metrics()["castgate_deliveries_matched_total"]
			code, r, log := play(t, g, program, slices.Concat(c.args, []string{"-n", "200"}, more)...)
			results = append(results, r)
			p := r.Report
			open := n - r.Mixed.SlowReaders.Readers
			if code != 0 || r.Fault != "" || r.Connections != n || p.Open != open || r.Server.PID != g.PID() {
				t.Fatalf("exit code %d, %+v\n%s", code, r, log)
			}
			if p.Lost+p.Duplicates+p.Reordered+p.Corrupt+p.Misrouted+p.Foreign != 0 || p.Received != p.Expected || p.Received < c.least {
				t.Errorf("%+v", p)
			}
			if c.multiple > 0 && p.Received%c.multiple != 0 {
				t.Errorf("%d messages are no multiple of %d", p.Received, c.multiple)
			}
			if r.Scenario != "churn" && r.Pushes.Matched != r.Pushes.Receivers {
				t.Errorf("matched %d of %d receivers", r.Pushes.Matched, r.Pushes.Receivers)
			}
			matched := int(g.Metrics()["castgate_deliveries_matched_total"] - before)
			if all := p.Received + r.Mixed.SlowReaders.Received; r.Scenario != "churn" && matched != all {
				t.Errorf("the gateway matched %d clients, %d messages arrived", matched, all)
			}
			switch r.Scenario {
			case "mixed":
				if s := r.Mixed.SlowReaders; s.Readers != 5 || s.Closed != 0 || s.Received != s.Owed || s.Owed != 5*r.Mixed.Broadcasts.Taken || s.Owed == 0 {
					t.Errorf("%+v", r.Mixed)
				}
			case "churn":
				if !r.Churn.Back || r.Churn.Replaced == 0 || r.Churn.Replaced != p.Closes {
					t.Errorf("%+v, %d close frames", r.Churn, p.Closes)
				}
			case "storm":
				if s := r.Storm; s.AllBound <= 0 || s.Open != n || s.Bound != n || s.UIDs != n {
					t.Errorf("%+v", s)
				}
			}
			g.AwaitMetric("castgate_connections", 0)
		})
	}
	g.Settled(t)
	return results
}

// Messages dropped for slow readers are counted apart from lost ones, and so are
// slow readers that the gateway closes.
func loadtestSlowReaders(t *testing.T, program string) {
	for _, policy := range []string{"close", "drop"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			// Slow, so that a delay of seconds does no harm: only clients that do
			// not read at all may have 8 MiB waiting.
			g := wstest.Start(t, "--slow-policy", policy, "--send-queue", "8MiB", "--ping-interval", "0")
			code, r, log := play(t, g, program, "mixed", "-n", "12", "--slow", "3", "--rate", "20",
				"--duration", "8s", "--broadcast-rate", "12", "--broadcast-size", "200000")
			s := r.Mixed.SlowReaders
			if code != 0 || r.Report.Lost != 0 || r.Report.Open != 9 || s.Readers != 3 {
				t.Fatalf("exit code %d, %+v\n%s", code, r, log)
			}
			if policy == "close" && s.Closed != 3 || policy == "drop" && (s.Closed != 0 || s.Received >= s.Owed || s.Received == 0) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// If the gateway is killed, loadtest reports what it has measured so far and exits
// with code 1. It gets only some of the messages: a reset drops what a client has not
// read yet.
func loadtestGatewayKilled(t *testing.T, program string) {
	g := wstest.Start(t)
	g.Expected()
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for {
			if m, err := g.TryMetrics(); err != nil || m["castgate_deliveries_matched_total"] > 1000 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		g.Signal(os.Kill)
	}()
	code, r, log := play(t, g, program, "broadcast", "-n", "200", "--duration", "1h", "--rate", "100")
	<-killed
	if code != 1 || r.Report.Open != 0 || r.Pushes.Taken < 5 || r.Report.Received == 0 || r.Interrupted != "" ||
		!strings.Contains(r.Fault, "while pushing") || !strings.Contains(log, "200 of 200 connections were lost") {
		t.Errorf("exit code %d, %+v\n%s", code, r, log)
	}
}
