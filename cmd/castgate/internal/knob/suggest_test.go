package knob

import (
	"testing"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"listen", "ping-interval", "ping-timeout", "loops"}
	for name, want := range map[string]string{
		"listn":         ", did you mean listen?",
		"pign-interval": ", did you mean ping-interval?",
		"loop":          ", did you mean loops?",
		"database-url":  "",
		"x":             "",
	} {
		if got := didYouMean(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}, {"ab", "ba", 2}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
