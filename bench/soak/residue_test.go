package soak

import (
	"maps"
	"strings"
	"testing"

	"castgate/bench/gateway"
	"castgate/loadtest"
	"castgate/loadtest/latency"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// counters are readings at rest: 30 messages for 10 clients.
func counters() map[string]float64 {
	m := map[string]float64{
		"castgate_deliveries_matched_total": 30, "castgate_deliveries_total": 30, `castgate_deliveries_total{outcome="written"}`: 28,
		"castgate_handshakes_total": 12, `castgate_handshakes_total{result="ok"}`: 10, `castgate_handshakes_total{result="busy"}`: 2,
		"castgate_accepted_total": 10, "castgate_closes_total": 10,
	}
	for _, name := range empty {
		m[name] = 0
	}
	return m
}

func TestUnsettled(t *testing.T) {
	if wrong := unsettled(counters()); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	for name, want := range map[string]string{
		"castgate_panics_total":                  "castgate_panics_total is 1",
		"castgate_uids":                          "castgate_uids is 1",
		"castgate_deliveries_matched_total":      "31 deliveries matched, 30 written or dropped",
		`castgate_handshakes_total{result="ok"}`: "11 handshakes done, 10 clients gone",
		"castgate_accepted_total":                "11 sockets accepted, 10 handshakes ended",
	} {
		m := counters()
		m[name]++
		if wrong := strings.Join(unsettled(m), "; "); !strings.Contains(wrong, want) {
			t.Errorf("%s: %q, want %q", name, wrong, want)
		}
	}
	m := counters()
	delete(m, "castgate_panics_total")
	if wrong := unsettled(m); len(wrong) != 1 {
		t.Errorf("without a sample: %q", wrong)
	}
}

func TestRemains(t *testing.T) {
	before := gateway.Weight{PSS: 20 << 20, Files: 26, Goroutines: 21, Control: 6}
	for want, change := range map[string]func(w *gateway.Weight){
		"":                          func(w *gateway.Weight) { w.PSS, w.Files, w.Control, w.Goroutines = 21<<20, 21, 1, 20 },
		"21 descriptors":            func(w *gateway.Weight) { w.Files++ },
		"20 goroutines":             func(w *gateway.Weight) { w.Goroutines += goroutineSlack + 1 },
		"25.0 MiB PSS, 20.0 before": func(w *gateway.Weight) { w.PSS += 5 << 20 },
	} {
		now := before
		change(&now)
		got := strings.Join(remains(before, now, 4<<20), "; ")
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCounted(t *testing.T) {
	before, now := counters(), counters()
	maps.Copy(now, map[string]float64{
		`castgate_handshakes_total{result="ok"}`: 15, `castgate_deliveries_total{outcome="written"}`: 36, "castgate_deliveries_matched_total": 40,
	})
	r := &loadtest.Result{
		Report: &swarm.Report{Received: 8, Connect: latency.Summary{Count: 5}},
		Pushes: &pushing.Pushes{Matched: 7}, Churn: &loadtest.Churn{Last: &pushing.Pushes{Matched: 3}},
	}
	if wrong := counted(before, now, r); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
	r.Report.Received, r.Report.Connect.Count, r.Pushes.Matched = 9, 6, 8
	if wrong := counted(before, now, r); len(wrong) != 3 {
		t.Errorf("%q", wrong)
	}
}
