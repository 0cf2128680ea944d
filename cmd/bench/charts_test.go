package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/bench"
)

// figuresFile writes a result with these figures.
func figuresFile(t *testing.T, r *bench.Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func figure(scenario, name, server string, rounds ...float64) bench.Figure {
	return bench.Figure{Scenario: scenario, Name: name, Server: server, Median: rounds[len(rounds)/2], Min: rounds[0], Max: rounds[len(rounds)-1], Rounds: rounds}
}

// What is in the results is drawn, the best first, and nothing else is.
func TestCharts(t *testing.T) {
	first := figuresFile(t, &bench.Result{Options: bench.Options{Clients: 10_000, IdleClients: 19_000, Size: 64}, Figures: []bench.Figure{
		figure("fanout 2/s", "CPU a message", "floor", 8000, 9000, 10_000),
		figure("fanout 2/s", "CPU a message", "castgate", 20_000),
		figure("fanout 2/s", "CPU a message", "castgate / floor", 1, 1.1, 1.2),
		figure("memory, bare", "PSS a connection", "floor", -3, 0, 2),
	}})
	second := figuresFile(t, &bench.Result{
		Options: bench.Options{Clients: 10_000, IdleClients: 19_000, Size: 64},
		Faults:  []bench.Fault{{Scenario: "fanout", Server: "gws", Text: "lost"}},
		Figures: []bench.Figure{
			figure("fanout 2/s", "CPU a message", "castgate", 8800, 9100, 9900),
			figure("fanout 2/s", "CPU a message", "gws", 14_000, 14_100),
			figure("fanout 2/s", "latency p50", "castgate", 1e6, 2e6, 3e6),
			figure("memory, bare", "PSS a connection", "castgate", 183, 192, 195),
			figure("memory, bound and in a group", "PSS a connection", "castgate", 340, 343, 353),
			figure("unicast latency at 70 % of what 16 in flight carry", "unicast p50", "castgate", 1e6, 1.3e6, 2e6),
			figure("cost, 64 B, 2/s", "CPU a message", "castgate wss", 9000),
			figure("cost, 64 B, 2/s", "CPU a message", "castgate wss / floor", 1.1),
			figure("cost, 1024 B, 2/s", "CPU a message", "castgate wss deflate", 9500),
			figure("cost, connect", "CPU a connect", "gorilla wss", 300_000),
			figure("cost, connect again", "CPU a connect", "gorilla wss", 200_000),
			figure("something new", "which nobody knows", "castgate", 1),
		},
	})
	out := filepath.Join(t.TempDir(), "charts")
	var stdout, stderr bytes.Buffer
	command := chartsCommand{Results: []string{first, second}, Out: out}
	if err := command.Run(&console{stdout: &stdout, stderr: &stderr}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.svg"))
	if err != nil || len(files) != 12 || strings.Count(stdout.String(), "<picture>") != 6 {
		t.Errorf("%v, %v\n%s", err, files, stdout.String())
	}
	for name, words := range map[string][]string{
		"cpu-steady-light":  {"10,000 clients, 64 bytes", "median and range of 2 to 3 rounds", ">9 µs", ">castgate<", ">9.1 µs", "gws (with faults)", ">14.1 µs", "goal: 1.15 × floor"},
		"memory-dark":       {"19,000 connections", ">192 B", "castgate, bound and in a group", ">343 B", "no value", "goal, bare: 800 B"},
		"latency-light":     {},
		"cost-steady-dark":  {"castgate wss, 64 B", "castgate wss deflate, 1024 B", ">9.5 µs"},
		"cost-connect-dark": {">gorilla wss<", "gorilla wss, again"},
		"unicast-dark":      {"castgate, 16 in flight", "not measured", "goal, p99: 10 ms"},
	} {
		svg, err := os.ReadFile(filepath.Join(out, name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			i := strings.Index(string(svg), w)
			if i < 0 {
				t.Errorf("%s lacks %q", name, w)
			}
		}
		if bytes.Contains(svg, []byte("castgate / floor")) {
			t.Errorf("%s shows a ratio as a server", name)
		}
	}
	svg, _ := os.ReadFile(filepath.Join(out, "cpu-steady-light.svg"))
	if a, b, c := bytes.Index(svg, []byte(">floor<")), bytes.Index(svg, []byte(">castgate<")), bytes.Index(svg, []byte(">gws")); a > b || b > c {
		t.Errorf("rows at %d, %d, %d", a, b, c)
	}
}

func TestChartsRefused(t *testing.T) {
	empty, broken := figuresFile(t, &bench.Result{}), filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	unknown := figuresFile(t, &bench.Result{Figures: []bench.Figure{figure("new", "x", "y", 1)}})
	for want, path := range map[string]string{"contains no figures": empty, "unexpected end": broken, "no such file": "none.json", "no chart shows any": unknown} {
		err := (&chartsCommand{Results: []string{path}, Out: t.TempDir()}).Run(&console{stdout: &bytes.Buffer{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// Every scenario of the harness is on some chart: a new one must not be
// forgotten.
func TestEveryScenarioIsDrawn(t *testing.T) {
	for _, name := range bench.Scenarios {
		found := false
		for _, d := range drawings {
			for _, s := range d.scenarios {
				found = found || strings.Contains(s.String(), name)
			}
		}
		if !found {
			t.Errorf("no chart shows %s", name)
		}
	}
	for _, d := range drawings {
		if n := len(d.series); n > 0 && n != len(d.names) || n == 0 && len(d.names) != 1 {
			t.Errorf("%s: %d names for %d series", d.file, n, len(d.names))
		}
	}
}
