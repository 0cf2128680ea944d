package verbs

import (
	"strings"
	"testing"
)

func TestLeast(t *testing.T) {
	l := newLeast[string](3)
	for _, v := range strings.Fields("q d x a d b z a c b a f") {
		l.offer(v)
	}
	if got := strings.Join(l.sorted(), " "); got != "a b c" {
		t.Errorf("least: %s", got)
	}
}
