package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakePerf records until it is interrupted, and then knows one stack.
const fakePerf = `#!/bin/sh
case $1 in
record)
	while [ "$1" != -o ]; do shift; done
	trap 'echo recorded >"$2"; exit 0' INT
	read -r command <&3
	[ "$command" = enable ] && echo ack >&4
	while :; do sleep 0.01; done ;;
script) printf 'gw\n\t1 main.main\n\n' ;;
esac
`

// Every window of a scenario that is played on castgate has its profile, under the name
// of its phase; the figures of that play don't count.
func TestProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "perf"), []byte(fakePerf), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	o := tiny(Castgate)
	o.Scenarios, o.Profile = []string{"fanout", "connect", "pings"}, true
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Profiles {
		if p.Server != Castgate || p.Samples != 1 || len(p.Calls) != 1 || p.Calls[0].Name != "main.main" {
			t.Errorf("%+v", p)
		}
		got = append(got, p.Scenario)
	}
	if want := "fanout 2/s, fanout 16 in flight, fanout 1 in flight, fanout 2/s of 1 KiB, connect, pings, keepalive"; strings.Join(got, ", ") != want {
		t.Errorf("profiles of %v, want %s", got, want)
	}
	if rounds := len(figure(t, r, "connect", "CPU a connect", Castgate).Rounds); rounds != 1 {
		t.Errorf("%d rounds count, want 1", rounds)
	}
	dir := t.TempDir()
	path, err := r.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	figures, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(figures), "main.main") {
		t.Errorf("%v, profiles are among the figures", err)
	}
	profiles, err := os.ReadFile(strings.TrimSuffix(path, ".json") + "-profiles.json")
	if err != nil || !strings.Contains(string(profiles), `"name":"main.main"`) {
		t.Errorf("%v, %s", err, profiles)
	}
}

// Without perf, or with one that fails, the figures count all the same.
func TestProfilesAreSkipped(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "perf"), []byte("#!/bin/sh\necho no permission >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	o := tiny(Castgate)
	o.Scenarios, o.Profile = []string{"connect"}, true
	r, err := Run(t.Context(), o)
	if err != nil || len(r.Profiles) != 0 || len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0], "no permission") {
		t.Errorf("%v, %+v", err, r)
	}
}
