package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// floorDir holds the programs of both floors for all tests.
var floorDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "castgate-bench-test") })

var buildFloor = sync.OnceValues(func() (string, error) { return buildForAll(Floor) })

func buildForAll(name string) (string, error) {
	dir, err := floorDir()
	if err != nil {
		return "", err
	}
	return build(context.Background(), "..", dir, name)
}

func TestMain(m *testing.M) {
	// What the tests build and run.
	_ = wstest.SeeSources("rivals", "./...") // skipped if its modules are unavailable
	if err := wstest.SeeSources("..", "./cmd/castgate", "./bench/floor"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var err error
	if programs, err = os.MkdirTemp("", "castgate-bench-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(programs)
	if dir, err := floorDir(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// onFloor is a bench that builds nothing.
func onFloor(t *testing.T, o Options) *bench {
	t.Helper()
	binary, err := buildFloor()
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Options: o, result: newResult(o), binaries: map[string]string{Floor: binary, "rival": "/bin/false"}}
}

// programs is where the programs of tiny stay: to link them for each test takes longer
// than to measure them.
var programs string

// tiny are options that run every phase of a scenario briefly.
func tiny(servers ...string) Options {
	o := Defaults()
	o.Root, o.Servers, o.programs = "..", servers, programs
	o.Rounds, o.Clients, o.IdleClients = 1, 50, 50
	o.Warmup, o.Measure, o.Idle = 20*time.Millisecond, 100*time.Millisecond, 10*time.Millisecond
	o.MaxForeign = 1 // times are not tested
	return o
}

// figure finds one of a result.
func figure(t *testing.T, r *Result, scenario, name, server string) Figure {
	t.Helper()
	i := slices.IndexFunc(r.Figures, func(f Figure) bool {
		return f.Scenario == scenario && f.Name == name && f.Server == server
	})
	if i < 0 {
		t.Fatalf("no %s: %s of %s in %+v", scenario, name, server, r.Figures)
	}
	return r.Figures[i]
}

// Every scenario on every server: the harness works, and nothing is lost.
func TestNothingIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := tiny(Castgate, Floor, Noop)
	var lines []string
	o.Log = func(line string) { lines = append(lines, line) }
	r, err := Run(t.Context(), o)
	if err != nil || len(r.Faults) > 0 {
		t.Fatal(err, r.Faults)
	}
	for _, server := range []string{Castgate, Floor} {
		for _, scenario := range []string{"fanout", "storm"} {
			if lost := figure(t, r, scenario, "messages lost", server); lost.Max != 0 {
				t.Errorf("%s: %v messages lost", server, lost.Max)
			}
		}
		figure(t, r, "memory, bare", "PSS a connection", server)
	}
	for _, want := range []struct{ scenario, name string }{
		{"fanout 2/s", "CPU a message"},
		{"fanout 16 in flight", "CPU a message"},
		{"fanout 16 in flight", "messages a second"},
		{"fanout 1 in flight", "CPU a message"},
		{"fanout 2/s of 1 KiB", "CPU a message"},
		{"connect", "CPU a connect"},
		{"connect", "connects a second"},
		{"storm", "time until all are back"},
		{"growth, 2 clients", "CPU a message"},
		{"growth, 50 clients", "CPU a message"},
		{"growth", "CPU a message, 50 clients by 2"},
		{"pings", "CPU a ping and its pong"},
	} {
		for _, server := range []string{Castgate, Floor, "castgate / floor"} {
			if f := figure(t, r, want.scenario, want.name, server); f.Median <= 0 || len(f.Rounds) != 1 {
				t.Errorf("%+v", f)
			}
		}
	}
	for _, name := range []string{"latency p50", "latency p99", "latency p99.9", "latency max", "last receiver p50", "last receiver max"} {
		if f := figure(t, r, "fanout 16 in flight", name, Floor); f.Median <= 0 {
			t.Errorf("%+v", f)
		}
	}
	figure(t, r, "memory, bound and in a group", "PSS after 1 MiB through each of 25", Castgate)
	for _, depth := range latencyDepths {
		name := fmt.Sprintf("unicast latency at 70 %% of what %d in flight carry", depth)
		if f := figure(t, r, name, "unicast p99", Castgate); f.Median <= 0 {
			t.Errorf("%+v", f)
		}
	}
	for _, server := range []string{Castgate, Noop, "castgate / noop"} {
		if f := figure(t, r, "control, single", "pushes a second", server); f.Median <= 0 {
			t.Errorf("%+v", f)
		}
	}
	figure(t, r, "control, batches of 1000", "pushes a second", "castgate, batches / single")
	figure(t, r, "control, batches of 1000", "latency p99", Castgate)
	for _, name := range []string{"sendToAll over the control API", "sendToUid over the inner port", "sendToGroup over the inner port", "sendToUid over the inner port, 10000/s"} {
		if f := figure(t, r, "gatewayworker, "+name, "messages lost", Castgate); f.Max != 0 {
			t.Errorf("%+v", f)
		}
		figure(t, r, "gatewayworker, "+name, "commands a second", Castgate)
	}
	figure(t, r, "gatewayworker, sendToAll over the inner port", "CPU a command", "castgate, inner port / control API")
	if !slices.Contains(lines, "latency: round 1 of 1") || !strings.Contains(lines[0], "about") {
		t.Errorf("log: %q", lines)
	}
}

func named(t *testing.T, name string) *scenario {
	t.Helper()
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	return &scenarios[i]
}

// A disturbed measurement is repeated, and counts in the end only if there is
// no better one, which the result then says.
func TestDisturbed(t *testing.T) {
	o := tiny(Floor)
	o.Rounds, o.MaxForeign = 2, -1
	b := onFloor(t, o)
	if err := b.rounds(t.Context(), named(t, "connect")); err != nil {
		t.Fatal(err)
	}
	r := b.result
	if r.Dropped != 2*(maxAttempts-1) || len(r.Disturbed) != 2 || len(figure(t, r, "connect", "CPU a connect", Floor).Rounds) != 2 {
		t.Errorf("%d dropped, %q", r.Dropped, r.Disturbed)
	}
}

// A server that fails is reported, and the others are still measured.
func TestFaults(t *testing.T) {
	known := candidates
	defer func() { candidates = known }()
	candidates = append(slices.Clone(known), candidate{name: "rival", prepare: command()})
	o := tiny("rival", Floor)
	b := onFloor(t, o)
	if err := b.rounds(t.Context(), named(t, "connect")); err != nil {
		t.Fatal(err)
	}
	figure(t, b.result, "connect", "CPU a connect", Floor)
	if f := b.result.Faults; len(f) != 1 || f[0].Server != "rival" || !strings.Contains(f[0].Text, "ended before it was ready") {
		t.Errorf("%+v", f)
	}
	if err := b.ourFaults(); err != nil {
		t.Errorf("a rival's faults are ours: %v", err)
	}
	b.fault("connect", Castgate, errors.New("lost all"))
	if err := b.ourFaults(); err == nil || !strings.Contains(err.Error(), "castgate: lost all") {
		t.Errorf("%v", err)
	}
}

// A scenario that no server takes part in is no failure.
func TestScenarioForNobody(t *testing.T) {
	o := tiny(Noop)
	o.Scenarios = []string{"memory"}
	if r, err := Run(t.Context(), o); err != nil || len(r.Figures) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestOptionsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"rounds: 0":              func(o *Options) { o.Rounds = 0 },
		"clients: 0":             func(o *Options) { o.Clients = 0 },
		"size: 10 is not":        func(o *Options) { o.Size = 10 },
		`unknown scenario "x"`:   func(o *Options) { o.Scenarios = []string{"x"} },
		`unknown server "nginx"`: func(o *Options) { o.Servers = []string{"nginx"} },
		"nothing to measure":     func(o *Options) { o.Servers = nil },
		`source "z"`:             func(o *Options) { o.Sources = "z" },
		"build floor":            func(o *Options) { o.Root = t.TempDir() },
	} {
		o := tiny(Floor)
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// script is a program that pretends to be a server.
func script(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServerThatDoesNotStart(t *testing.T) {
	for want, binary := range map[string]string{
		"no such file":              "/nonexistent/server",
		"ended before it was ready": script(t, "exit 3"),
		"setting 'listen' is wrong": script(t, "echo \"setting 'listen' is wrong\"; exit 1"),
	} {
		if _, err := start(t.Context(), Floor, binary, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := start(ctx, Floor, script(t, "exec sleep 60"), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestServerThatDies(t *testing.T) {
	binary, err := buildFloor()
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(t.Context(), Floor, binary, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.exited
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "ended early: signal: killed") {
		t.Errorf("%v", err)
	}
}

func TestTailIsBounded(t *testing.T) {
	var out tail
	for range 100 {
		if n, err := out.Write([]byte(strings.Repeat("x", 1000))); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := out.Write([]byte("the last")); err != nil || len(out.String()) != maxTail || !strings.HasSuffix(out.String(), "xthe last") {
		t.Errorf("%d bytes kept", len(out.String()))
	}
}

func TestCheckedOut(t *testing.T) {
	if got := checkedOut(t.Context(), t.TempDir()); got != "" {
		t.Errorf("a commit outside of any repository: %q", got)
	}
	dir := t.TempDir()
	for _, args := range []string{"init -q", "-c user.name=a -c user.email=a@example.org commit -q --allow-empty -m first"} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	if got := checkedOut(t.Context(), dir); len(got) != 12 {
		t.Errorf("commit %q", got)
	}
}
