package server

import "testing"

func TestHaveLeft(t *testing.T) {
	for _, test := range []struct {
		most, sockets int
		want          bool
	}{{0, 0, false}, {256, 0, false}, {257, 0, true}, {100_000, 99_000, false}, {100_000, 87_501, false}, {100_000, 87_499, true}} {
		if got := haveLeft(test.most, test.sockets); got != test.want {
			t.Errorf("%d of %d: %v", test.sockets, test.most, got)
		}
	}
}
