package frames

import (
	"testing"
)

// The greeting has the id in each of its places, framed as its client has messages.
func TestGreeting(t *testing.T) {
	for _, c := range []struct {
		text string
		form Form
		want string
	}{
		{"hi %s, %s", WebSocket, "\x81\x07hi 7, 7"},
		{"hi %s", Line, "hi 7\n"},
		{"hi %s", Counted, "\x00\x00\x00\x08hi 7"},
		{"%s", Bytes, "7"},
		{"hi", Bytes, "hi"},
	} {
		if got := NewGreeting(c.text).Append([]byte("."), []byte("7"), c.form); string(got) != "."+c.want {
			t.Errorf("%q as %v: %q, want %q", c.text, c.form, got, c.want)
		}
	}
}
