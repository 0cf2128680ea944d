package process

import "testing"

func TestOneLine(t *testing.T) {
	if got := OneLine("a\nb\r\nc\n"); got != "a; b; c" {
		t.Errorf("%q", got)
	}
}
