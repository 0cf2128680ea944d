package bench

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCollect(t *testing.T) {
	var figures []Figure
	for _, v := range []struct{ ours, floor float64 }{{2, 8}, {3, 6}, {1, 10}} {
		var round samples
		round.rate("fanout", "CPU a message", Floor, "ns", v.floor)
		round.rate("fanout", "CPU a message", Castgate, "ns", v.ours)
		round.rate("fanout", "only ours", Castgate, "ns", 1)
		round.add("fanout", "not rated", Castgate, "ns", 1)
		round.add("fanout", "not rated", Floor, "ns", 1)
		round.addRatios()
		figures = collect(figures, round)
	}
	if len(figures) != 6 {
		t.Fatalf("%d figures: %+v", len(figures), figures)
	}
	// The ratio is computed within each round, not from the medians.
	ratio := figures[5]
	if ratio.Server != "castgate / floor" || ratio.Unit != "×" || ratio.Median != 0.25 || ratio.Min != 0.1 || ratio.Max != 0.5 || !slices.Equal(ratio.Rounds, []float64{0.25, 0.5, 0.1}) {
		t.Errorf("%+v", ratio)
	}
	if f := figures[0]; f.Server != Floor || f.Median != 8 || f.Min != 6 || f.Max != 10 {
		t.Errorf("%+v", f)
	}
}

// Every server is compared with its baseline.
func TestRatios(t *testing.T) {
	var round samples
	for server, value := range map[string]float64{Floor: 2, "other": 5, Castgate: 3} {
		round.rate("fanout", "CPU a message", server, "ns", value)
	}
	round.rate("control, single", "pushes a second", Castgate, "1/s", 20)
	round.rate("control, single", "pushes a second", Noop, "1/s", 40)
	round.rate("control, batches of 1000", "pushes a second", Castgate, "1/s", 200)
	round.addQuotient("control, batches of 1000", "pushes a second", Castgate, "control, single", "batches / single")
	round.addQuotient("control, batches of 1000", "pushes a second", Noop, "control, multiple", "nothing / nothing")
	round.addRatios()
	got := map[string]float64{}
	for _, v := range round {
		if v.unit == "×" {
			got[v.scenario+": "+v.server] = v.value
		}
	}
	want := map[string]float64{
		"fanout: other / floor": 2.5, "fanout: castgate / floor": 1.5, "control, single: castgate / noop": 0.5,
		"control, batches of 1000: castgate, batches / single": 10,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestQuantity(t *testing.T) {
	for want, c := range map[string]struct {
		v    float64
		unit string
	}{
		"8.695µs":    {8695, "ns"},
		"12.3ms":     {12_345_678, "ns"},
		"5.0 %":      {0.05, "of the machine"},
		"1.10 ×":     {1.1, "×"},
		"0.33 cores": {1. / 3, "cores"},
		"157591 1/s": {157591.2, "1/s"},
		"948.6 B":    {948.63, "B"},
		"9":          {9, ""},
	} {
		if got := quantity(c.v, c.unit); got != want {
			t.Errorf("%v %s: %q, want %q", c.v, c.unit, got, want)
		}
	}
}

// The table has servers side by side, in whatever order they were measured.
func TestTableOrder(t *testing.T) {
	var round samples
	for _, server := range []string{Castgate, Floor} {
		for _, scenario := range []string{"a", "b"} {
			round.rate(scenario, "x", server, "ns", 1000)
			round.add(scenario, "y", server, "ns", 1000)
		}
	}
	round.addRatios()
	var out bytes.Buffer
	r := Result{Figures: collect(nil, round)}
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(out.String(), "\n")[2:] {
		line, _, _ = strings.Cut(line, " 1µs")
		line, _, _ = strings.Cut(line, " 1.00 ×")
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"a x castgate", "floor", "castgate / floor", "y castgate", "floor", "b x castgate", "floor", "castgate / floor", "y castgate", "floor", ""}
	if !slices.Equal(got, want) {
		t.Errorf("%q\n%s", got, out.String())
	}
}

func TestResultFileAndTable(t *testing.T) {
	r := newResult(Defaults())
	r.Started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Dropped, r.Disturbed = 2, []string{"a disturbed one counts"}
	r.Faults, r.Skipped = []Fault{{"fanout", "other", "9 of 10 messages did not arrive"}}, []string{"no slabs"}
	var round samples
	round.add("fanout", "CPU a message", Floor, "ns", 7000)
	round.add("fanout", "server load", Floor, "cores", 1)
	r.Figures = collect(r.Figures, round)
	dir := t.TempDir() + "/new"
	path, err := r.Save(dir)
	if err != nil || path != dir+"/20260102-030405.json" {
		t.Fatalf("%q, %v", path, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(b, &back); err != nil || len(back.Figures) != 2 || len(back.Faults) != 1 || back.Figures[0].Median != 7000 || back.Options.Clients != 10_000 {
		t.Errorf("%v\n%s", err, b)
	}
	if _, err := r.Save(dir); err == nil {
		t.Error("a result was written over another")
	}
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"7µs", "2 disturbed measurements", "disturbed: a disturbed one counts",
		"FAULT: fanout: other: 9 of 10", "skipped: no slabs", "cores", "share the cores"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
