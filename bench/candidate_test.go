package bench

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"castgate/loadtest/swarm"
)

// ofRivals are the servers that are not ours.
func ofRivals() (all []string) {
	for _, name := range names() {
		if isRival(name) {
			all = append(all, name)
		}
	}
	return all
}

// Every rival delivers everything through the harness. In CI, where ci/deps.sh
// has run, none may be missing.
func TestRivalsDeliver(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := tiny(ofRivals()...)
	o.Scenarios = []string{"fanout", "connect", "memory"}
	r, err := Run(t.Context(), o)
	if err != nil || len(r.Faults) > 0 {
		t.Fatal(err, r.Faults)
	}
	for _, name := range o.Servers {
		if i := slices.IndexFunc(r.Skipped, func(text string) bool { return strings.HasPrefix(text, name+": ") }); i >= 0 && os.Getenv("CI") != "true" {
			t.Log("skipped:", r.Skipped[i])
			continue
		}
		if lost := figure(t, r, "fanout", "messages lost", name); lost.Max != 0 {
			t.Errorf("%s: %v messages lost", name, lost.Max)
		}
		for _, want := range []struct{ scenario, name string }{
			{"fanout 2/s", "CPU a message"},
			{"fanout 16 in flight", "messages a second"},
			{"connect", "CPU a connect"},
			{"memory, bare", "PSS without connections"},
			{"memory, bare", "threads"},
		} {
			if f := figure(t, r, want.scenario, want.name, name); f.Median <= 0 {
				t.Errorf("%+v", f)
			}
		}
	}
}

// A rival that is unavailable is reported, and the others are measured.
func TestRivalSkipped(t *testing.T) {
	gone := candidate{name: "gone", module: ".", source: "./nonesuch", prepare: command()}
	candidates = append(candidates, gone)
	t.Cleanup(func() { candidates = candidates[:len(candidates)-1] })
	Servers = names()
	t.Cleanup(func() { Servers = names() })
	o := tiny(gone.name, Floor)
	o.Scenarios = []string{"connect"}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Skipped) != 1 || !strings.HasPrefix(r.Skipped[0], "gone: build gone: ") {
		t.Errorf("%q", r.Skipped)
	}
	figure(t, r, "connect", "CPU a connect", Floor)
	if i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Server == "gone" }); i >= 0 {
		t.Errorf("figures of what was skipped: %+v", r.Figures[i])
	}
}

func TestBuildFails(t *testing.T) {
	var skip *SkipError
	if _, err := build(t.Context(), "..", t.TempDir(), "unheard-of"); err == nil || errors.As(err, &skip) {
		t.Errorf("an unknown name: %v", err)
	}
	// There is nothing to build from: castgate is not a rival that could be
	// skipped.
	if _, err := build(t.Context(), t.TempDir(), t.TempDir(), Castgate); err == nil || errors.As(err, &skip) {
		t.Errorf("castgate: %v", err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, rivals), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := build(t.Context(), root, t.TempDir(), GWS); !errors.As(err, &skip) || skip.Server != GWS {
		t.Errorf("a rival: %v", err)
	}
	if _, err := start(t.Context(), "unheard-of", "/bin/true", 1); err == nil || !strings.Contains(err.Error(), `unknown server "unheard-of"`) {
		t.Errorf("%v", err)
	}
}

func TestUnwrapCentrifuge(t *testing.T) {
	var c swarm.Config
	speakCentrifuge(&c)
	for message, want := range map[string][]string{
		`{"id":1,"connect":{"client":"c","version":"v","subs":{"all":{}}}}`:                                                     nil,
		`{"push":{"channel":"all","pub":{"data":"one"}}}`:                                                                       {"one"},
		`{"push":{"channel":"all","pub":{"data":"one"}}}` + "\n" + `{"push":{"channel":"all","pub":{"data":"two","offset":2}}}`: {"one", "two"},
		`{"push":{"channel":"all","pub":{"data":"cut`:                                                                           nil,
		`{}`: nil,
	} {
		var got []string
		for payload, rest := c.Unwrap([]byte(message)); payload != nil; payload, rest = c.Unwrap(rest) {
			got = append(got, string(payload))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q instead of %q", message, got, want)
		}
	}
}
