package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tiny are options with which every phase of a scenario is gone through.
func tiny(servers ...string) Options {
	o := Defaults()
	o.Root, o.Servers = "..", servers
	o.Rounds, o.Clients, o.IdleClients = 1, 50, 50
	o.Warmup, o.Measure, o.Idle = 20*time.Millisecond, 100*time.Millisecond, 10*time.Millisecond
	o.MaxForeign = 1 // times are not what is tested
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
	o := tiny(Castgate, Floor)
	var lines []string
	o.Log = func(line string) { lines = append(lines, line) }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range o.Servers {
		if lost := figure(t, r, "fanout", "messages lost", server); lost.Max != 0 {
			t.Errorf("%s: %v messages lost", server, lost.Max)
		}
		figure(t, r, "memory, bare", "PSS a connection", server)
	}
	for _, scenario := range []string{"fanout 2/s", "fanout 16 in flight"} {
		for _, server := range []string{Castgate, Floor, "castgate / floor"} {
			if f := figure(t, r, scenario, "CPU a message", server); f.Median <= 0 || len(f.Rounds) != 1 {
				t.Errorf("%+v", f)
			}
		}
	}
	figure(t, r, "memory, bound and in a group", "PSS after 1 MiB through each of 25", Castgate)
	for _, depth := range latencyDepths {
		name := fmt.Sprintf("unicast latency at 70 %% of what %d in flight carry", depth)
		if f := figure(t, r, name, "unicast p99", Castgate); f.Median <= 0 {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Contains(lines, "latency: 1 of 1 rounds") {
		t.Errorf("log: %q", lines)
	}
}

// Rounds in which others used the processor are repeated, and counted in the
// end only for want of better ones, which the result says.
func TestDisturbedRounds(t *testing.T) {
	o := tiny(Floor)
	o.Scenarios, o.Rounds, o.MaxForeign = []string{"fanout"}, 1, -1
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Dropped != 2 || len(r.Disturbed) != 1 || len(figure(t, r, "fanout", "messages lost", Floor).Rounds) != 1 {
		t.Errorf("%d dropped, %q", r.Dropped, r.Disturbed)
	}
}

func TestOptionsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"rounds: 0":          func(o *Options) { o.Rounds = 0 },
		"clients: 0":         func(o *Options) { o.Clients = 0 },
		"size: 10 is not":    func(o *Options) { o.Size = 10 },
		`no scenario "x"`:    func(o *Options) { o.Scenarios = []string{"x"} },
		`no server "nginx"`:  func(o *Options) { o.Servers = []string{"nginx"} },
		"nothing to measure": func(o *Options) { o.Servers = nil },
		`source "z"`:         func(o *Options) { o.Sources = "z" },
		"build floor":        func(o *Options) { o.Root = t.TempDir() },
	} {
		o := tiny(Floor)
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// script is a server that is none.
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
	binary, err := build(t.Context(), "..", t.TempDir(), Floor)
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
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "ended before it was told to: signal: killed") {
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
