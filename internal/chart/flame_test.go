package chart

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestFlameRefuses(t *testing.T) {
	for name, roots := range map[string][]Call{
		"nothing":                        nil,
		"no weight":                      {{Name: "f"}},
		"a weight that is no number":     {{Name: "f", Weight: math.NaN()}},
		"a negative weight":              {{Name: "f", Weight: -1}},
		"an infinite weight":             {{Name: "f", Weight: math.Inf(1)}},
		"no such kind":                   {{Name: "f", Weight: 1, Kind: 2}},
		"calls that outweigh the caller": {{Name: "f", Weight: 1, Calls: []Call{{Name: "g", Weight: 2}}}},
	} {
		if _, err := (&Flame{Title: "t", Kinds: []string{"a", "b"}, Roots: roots}).SVG(Light); err == nil {
			t.Errorf("%s is drawn", name)
		}
	}
}

// A stack of any depth makes a chart of bounded height.
func TestFlameCutsDeepStacks(t *testing.T) {
	roots := []Call{{Name: "f0", Weight: 1}}
	for at, n := &roots[0], 0; n < 1000; n++ {
		at.Calls = []Call{{Name: "deeper", Weight: 1}}
		at = &at.Calls[0]
	}
	svg, err := (&Flame{Title: "t", Kinds: []string{"a"}, Roots: roots}).SVG(Light)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(svg, []byte(">deeper 100 %<")); got != flameDepth-1 {
		t.Errorf("%d rows of %d", got, flameDepth-1)
	}
}

func TestFlameShortensNames(t *testing.T) {
	svg, err := flame().SVG(Light)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(svg); !strings.Contains(s, "…<") || strings.Contains(s, ">thin") {
		t.Error("a name is not shortened, or one without room is drawn")
	}
}
