package wstest

import (
	"testing"
	"time"
)

// Patience is how long helpers wait for something that should happen at once. It is
// generous because a loaded two-core machine is slow under the race detector. Only
// a failing test waits that long.
const Patience = 2 * time.Minute

// Await calls problem until it returns "". When Patience is over, it fails the test
// with the last answer.
func Await(t testing.TB, problem func() string) {
	t.Helper()
	limit := time.Now().Add(Patience)
	for {
		what := problem()
		if what == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("after %v: %s", Patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
