package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// castgate.json is what the code writes, and every panel has its place.
func TestDashboard(t *testing.T) {
	known, err := metrics("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(known)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("castgate.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("castgate.json is not what the code writes (%v): run make dashboard", err)
	}
	var d struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Type    string
		}
	}
	if err := json.Unmarshal(want, &d); err != nil {
		t.Fatal(err)
	}
	places := map[[2]int]string{}
	for _, p := range d.Panels {
		at := [2]int{p.GridPos.X, p.GridPos.Y}
		if other := places[at]; other != "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s stands at %v with %s", p.Title, at, other)
		}
		places[at] = p.Title
	}
	if len(places) < 25 {
		t.Errorf("only %d panels", len(places))
	}
}

func TestCheck(t *testing.T) {
	known := map[string]string{"castgate_a": "gauge", "castgate_b_total": "counter", "castgate_c_seconds": "histogram"}
	for query, wrong := range map[string]string{
		"sum(castgate_a)":                          "",
		"rate(castgate_b_total[5m])":               "",
		"rate(castgate_c_seconds_bucket[5m])":      "",
		"castgate_typo":                            "no metric castgate_typo",
		"sum(castgate_b_total)":                    "only grows",
		"sum(castgate_c_seconds)":                  "is a histogram",
		"castgate_a + rate(castgate_a_bucket[5m])": "no metric castgate_a_bucket",
		"up": "names no metric",
	} {
		err := check(query, known)
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", query, err, wrong)
		}
	}
}
