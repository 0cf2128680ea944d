package token

import (
	"bytes"
	"testing"
)

// A file of two keys that is truncated anywhere yields both keys or an error. The
// one exception is a cut exactly between the two, which leaves a complete file of
// one key.
func TestPEMCutAnywhere(t *testing.T) {
	first, second := publicPEM(t, ecKey.Public()), publicPEM(t, edKey.Public())
	text := append(bytes.Clone(first), second...)
	for at := range len(text) + 1 {
		want := 0
		switch {
		case at >= len(text)-1:
			want = 2
		case at == len(first), at == len(first)-1:
			want = 1
		}
		if keys, err := PEM(text[:at]); len(keys) != want || (err == nil) != (want > 0) {
			t.Fatalf("cut at %d of %d: %d keys, %v", at, len(text), len(keys), err)
		}
	}
}
