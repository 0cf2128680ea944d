package wstest

import (
	"testing"
	"time"
)

// Patience is how long helpers wait for something that should happen at once.
// It is generous because a loaded two-core machine under the race detector is
// slow; only a failing test waits it out.
const Patience = 30 * time.Second

// Await asks again until problem answers "", and fails the test with the last
// answer when Patience is over.
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
