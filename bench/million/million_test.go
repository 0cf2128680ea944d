package million

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// TestMain makes the test's binary also the process of a swarm.
func TestMain(m *testing.M) {
	if os.Getenv("CASTGATE_TEST_SWARM") != "" {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dir, err := os.MkdirTemp("", "castgate-million-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "castgate")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var (
	binary string // of the gateway
	build  sync.Once
)

// castgate builds the gateway, once for all tests.
func castgate(t *testing.T) string {
	t.Helper()
	build.Do(func() { wstest.GoBuild(t, binary, "./cmd/castgate") })
	return binary
}

// small is the whole play with few connections in several processes.
func small(t *testing.T) Options {
	o := Defaults()
	o.Castgate, o.Swarm = castgate(t), []string{"/usr/bin/env", "CASTGATE_TEST_SWARM=1", os.Args[0]}
	for _, addr := range []*string{&o.Listen, &o.Control} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // so that the two differ
		*addr = l.Addr().String()
	}
	o.Connections, o.Groups, o.UIDs, o.PerProcess = 250, 7, 20, 100
	o.Idle, o.Patience = 10*time.Millisecond, time.Minute
	// A gateway comes back to a client after two minutes at most, or after this.
	o.Pings, o.PingInterval, o.Trace, o.resting = 2*time.Second, 500*time.Millisecond, time.Second, time.Second
	return o
}

func TestEverythingIsCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := small(t)
	var log []string
	o.Log = func(line string) { log = append(log, line) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(log, "\n"))
	}
	var got []string
	for _, d := range r.Deliveries {
		got = append(got, fmt.Sprintf("%s: %d, %d, %d", d.Name, d.Pushes, d.Matched, d.Received))
	}
	want := "to every group: 7, 250, 250; to random uids: 20, 20, 20; to everybody: 1, 250, 250"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	got = nil
	for _, w := range r.Weights {
		got = append(got, fmt.Sprintf("%s: %d, %d, %d", w.Moment, w.Connections, w.UIDs, w.Groups))
	}
	want = "empty: 0, 0, 0; bare: 250, 0, 0; bound: 250, 250, 7; after the pushes: 250, 250, 7; after the pings: 250, 250, 7; cut, at once: 0, 0, 0; cut, after idling: 0, 0, 0"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	pingsAgree(t, r, log)
	if r.Swarms != 3 {
		t.Errorf("%d processes", r.Swarms)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "to every group") ||
		!strings.Contains(table.String(), "every 500ms") {
		t.Errorf("%v\n%s", err, table.String())
	}
	if path, err := r.Save(t.TempDir()); err != nil || !strings.Contains(path, "million-") {
		t.Errorf("%s, %v", path, err)
	}
}

// pingsAgree checks that all counts of pings are the same, but for those that were under
// way at the beginning or the end: at most one a client at each.
func pingsAgree(t *testing.T, r *Result, log []string) {
	t.Helper()
	p := r.Pings
	if p == nil || p.Sent == 0 || p.CPU <= 0 {
		t.Fatalf("%+v", p)
	}
	near := func(n int) bool { return n >= p.Sent-2*r.Options.Connections && n <= p.Sent+2*r.Options.Connections }
	if !near(p.Arrived) || !near(p.Pongs) || !near(p.Sends) || p.Arrived == 0 || p.Pongs == 0 || p.Reads == 0 {
		t.Errorf("%+v", p)
	}
	if _, err := exec.LookPath("strace"); err == nil && p.Trace["sendto"] == 0 && !strings.Contains(strings.Join(log, "\n"), "not traced") {
		t.Errorf("%v", p.Trace)
	}
}

func TestParseTrace(t *testing.T) {
	calls, err := parseTrace(`% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 63.96    0.179998           6     30001           sendto
 36.04    0.101428           3     30003        12 read
------ ----------- ----------- --------- --------- ----------------
100.00    0.281426           4     60004        12 total
`)
	if err != nil || len(calls) != 2 || calls["sendto"] != 30001 || calls["read"] != 30003 {
		t.Errorf("%v, %v", calls, err)
	}
	if calls, err := parseTrace("strace: Could not attach\n"); err == nil {
		t.Errorf("%v", calls)
	}
}

func TestRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	binary := castgate(t)
	for want, change := range map[string]func(*Options){
		"connections: 0 is not":     func(o *Options) { o.Connections = 0 },
		"groups: 300 is not":        func(o *Options) { o.Groups = 300 },
		"no such file":              func(o *Options) { o.Castgate = "/nonexistent" },
		"ended before it was ready": func(o *Options) { o.Listen = "nonsense" },
		"has room for":              func(o *Options) { o.Connections = 4_000_000 },
		"a swarm's process":         func(o *Options) { o.Swarm = []string{"/nonexistent"} },
		`source "z"`:                func(o *Options) { o.Sources = "z" },
		"swarm 1 of 3: ":            func(o *Options) { o.Swarm = []string{"/bin/true"} },
	} {
		o := small(t)
		o.Castgate = binary
		change(&o)
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// A swarm that has not been opened refuses everything else.
func TestSwarmNotOpen(t *testing.T) {
	var s part
	for _, err := range []error{
		s.Bind(1, nil), s.Expect(Expectation{}, nil), s.Await(0, nil), s.Report(None{}, nil), s.Cut(None{}, nil),
	} {
		if !errors.Is(err, errNotOpen) {
			t.Errorf("%v", err)
		}
	}
}
