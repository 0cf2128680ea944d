package process

import (
	"bytes"
	"strings"
	"testing"
)

// deceiving contains what a terminal would obey or be deceived by: DEL, CSI as one
// character, a right-to-left override, a line separator and a tag.
const deceiving = "a\u007fb\u009b31mc\u202ed\u2028e\U000e0001f"

// However a text is split into writes, the result is the same.
func TestVisibleWriterSplits(t *testing.T) {
	text := "ä" + deceiving + "\xff\xe2\x80" + "👧\x1b[2J"
	want := Visible(text)
	if strings.ContainsAny(want, "\x1b\u007f\u009b\u202e") || !strings.HasPrefix(want, `äa\u007fb\u009b31m`) {
		t.Fatalf("%q", want)
	}
	for i := range len(text) + 1 {
		for j := i; j <= len(text); j++ {
			var out bytes.Buffer
			w := visibleWriter{to: &out}
			for _, part := range []string{text[:i], text[i:j], text[j:]} {
				if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if out.String() != want {
				t.Fatalf("cut at %d and %d: %q, want %q", i, j, out.String(), want)
			}
		}
	}
}
