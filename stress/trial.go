package stress

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

// maxFailures bounds the recorded failures of a scenario. The first ones say most.
const maxFailures = 20

// ledger is the sum over the trials of one scenario.
type ledger struct {
	mu       sync.Mutex
	checks   int
	failed   int
	failures []string
	figures  []string
}

func (l *ledger) fail(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed++
	if len(l.failures) < maxFailures {
		l.failures = append(l.failures, text)
	}
}

// Trial is the testing.TB for the helpers of internal/wstest outside of go test.
// Any goroutine may call its methods, except those that end the trial, which only
// the goroutine that plays the scenario may call.
type Trial struct {
	testing.TB // nil: only the methods below exist
	ctx        context.Context
	*ledger

	cleaning sync.Mutex // protects cleanups
	cleanups []func()
}

func newTrial(ctx context.Context) *Trial { return &Trial{ctx: ctx, ledger: &ledger{}} }

// within plays f with a trial of its own and then closes its connections, since a
// scenario may last for hours.
func (t *Trial) within(f func(t *Trial)) {
	inner := &Trial{ctx: t.ctx, ledger: t.ledger}
	defer inner.cleanup()
	f(inner)
}

// cleanup calls the cleanup functions, the last first.
func (t *Trial) cleanup() {
	for {
		t.cleaning.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.cleaning.Unlock()
			return
		}
		last := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.cleaning.Unlock()
		last()
	}
}

// Check counts one check and records a failure if it does not hold.
func (t *Trial) Check(ok bool, format string, args ...any) {
	t.mu.Lock()
	t.checks++
	t.mu.Unlock()
	if !ok {
		t.fail(fmt.Sprintf(format, args...))
	}
}

// Equal checks that a count is what it should be.
func (t *Trial) Equal(what string, got, want int) {
	t.Check(got == want, "%s: %d, want %d", what, got, want)
}

// Must is a Check that ends the scenario if it fails.
func (t *Trial) Must(ok bool, format string, args ...any) {
	t.Check(ok, format, args...)
	if !ok {
		t.FailNow()
	}
}

// maxFigures bounds the figures of a scenario that is played for long.
const maxFigures = 5

// Figure records what was measured; it is printed under the verdict.
func (t *Trial) Figure(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.figures) < maxFigures {
		t.figures = append(t.figures, fmt.Sprintf(format, args...))
	}
}

// Helper implements testing.TB.
func (t *Trial) Helper() {}

// Name implements testing.TB.
func (t *Trial) Name() string { return "stress" }

// Context implements testing.TB.
func (t *Trial) Context() context.Context { return t.ctx }

// Cleanup implements testing.TB.
func (t *Trial) Cleanup(f func()) {
	t.cleaning.Lock()
	defer t.cleaning.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// TempDir implements testing.TB.
func (t *Trial) TempDir() string {
	dir, err := os.MkdirTemp("", "castgate-stress-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Log implements testing.TB. The text is kept with the failure.
func (t *Trial) Log(args ...any) { t.note(fmt.Sprint(args...)) }

// Logf implements testing.TB.
func (t *Trial) Logf(format string, args ...any) { t.note(fmt.Sprintf(format, args...)) }

func (t *Trial) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed > 0 && len(t.failures) < maxFailures {
		t.failures = append(t.failures, text)
	}
}

// Fail implements testing.TB.
func (t *Trial) Fail() { t.fail("failed") }

// FailNow implements testing.TB.
func (t *Trial) FailNow() { runtime.Goexit() }

// Failed implements testing.TB.
func (t *Trial) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed > 0
}

// Error implements testing.TB.
func (t *Trial) Error(args ...any) { t.fail(fmt.Sprint(args...)) }

// Errorf implements testing.TB.
func (t *Trial) Errorf(format string, args ...any) { t.fail(fmt.Sprintf(format, args...)) }

// Fatal implements testing.TB.
func (t *Trial) Fatal(args ...any) { t.Error(args...); t.FailNow() }

// Fatalf implements testing.TB.
func (t *Trial) Fatalf(format string, args ...any) { t.Errorf(format, args...); t.FailNow() }
