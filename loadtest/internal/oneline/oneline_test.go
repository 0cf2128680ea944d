package oneline

import (
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "“”",
		"a\r\nb\x00":             `“a\r\nb\x00”`,
		strings.Repeat("x", 100): "“" + strings.Repeat("x", 80) + "…”",
	} {
		if got := Excerpt([]byte(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
