package stress

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

func TestMain(m *testing.M) {
	Entry()
	os.Exit(wstest.Main(m))
}

// whole skips a test that plays against the real binary for seconds, with -short.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("plays against the real binary, for seconds")
	}
}

// TestTwoScenarios plays a round of two scenarios against the real binary.
func TestTwoScenarios(t *testing.T) {
	whole(t)
	list, err := Find([]string{"churn", "rst-storm"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	sum, err := Run(t.Context(), list, time.Second, &out)
	if err != nil || sum.Scenarios != 2 || sum.Failed != 0 || sum.Checks < 1000 {
		t.Errorf("%+v, %v\n%s", sum, err, &out)
	}
}

// TestTold plays the scenarios of events with few clients and events.
func TestTold(t *testing.T) {
	whole(t)
	t.Setenv("STRESS_CONNS", "200")
	t.Setenv("STRESS_EVENTS", "10000")
	list, err := Find([]string{"told", "backlog"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if sum, err := Run(t.Context(), list, time.Millisecond, &out); err != nil || sum.Scenarios != 2 || sum.Failed != 0 || sum.Checks < 150 {
		t.Errorf("%+v, %v\n%s", sum, err, &out)
	}
}

// TestTrialNotices: checks that fail are counted and recorded, and end a scenario
// if they must.
func TestTrialNotices(t *testing.T) {
	trial := newTrial(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		trial.within(func(inner *Trial) {
			inner.all("whole", []int{0, 1, 2}, 3)
			if inner.Failed() {
				t.Error("a whole log fails")
			}
			inner.all("a gap", []int{0, 2}, 2)
			inner.all("a double", []int{0, 0}, 2)
			inner.all("too few", []int{0}, 2)
			inner.all("late", []int{1, 2}, 2)
			inner.Must(false, "the end")
			t.Error("Must went on")
		})
	}()
	<-ended
	if trial.failed != 5 || !strings.HasPrefix(trial.failures[4], "the end") {
		t.Errorf("%d failures: %q, want 5", trial.failed, trial.failures)
	}
}

func TestFind(t *testing.T) {
	if _, err := Find([]string{"churn", "nothing"}); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("an unknown scenario: %v", err)
	}
	if list, err := Find(nil); err != nil || len(list) != len(Scenarios()) {
		t.Errorf("no names: %d scenarios, %v", len(list), err)
	}
}

func TestInterrupted(t *testing.T) {
	whole(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	block := make(chan struct{})
	defer close(block)
	list := []Scenario{{Name: "endless", round: func(*Trial, *site) { <-block }}}
	var out strings.Builder
	if _, err := Run(ctx, list, time.Second, &out); !errors.Is(err, why) || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("%v, %q", err, &out)
	}
}

// TestSkipped: a scenario that cannot be played on this machine is reported as
// skipped. In CI that is a failure.
func TestSkipped(t *testing.T) {
	list := []Scenario{{Name: "moonlit", prepare: func(*Trial) (wstest.Options, func(*Trial, *site), error) {
		return wstest.Options{}, nil, errors.New("there is no moon")
	}}}
	for ci, want := range map[string]Summary{
		"":     {Scenarios: 1, Skipped: 1},
		"true": {Scenarios: 1, Checks: 1, Failed: 1},
	} {
		t.Setenv("CI", ci)
		var out strings.Builder
		sum, err := Run(t.Context(), list, time.Second, &out)
		verdict := map[bool]string{true: "SKIP", false: "FAIL"}[want.Failed == 0]
		if err != nil || sum != want || !strings.Contains(out.String(), verdict) || !strings.Contains(out.String(), "there is no moon") {
			t.Errorf("CI=%q: %+v, %v, want %+v and %s\n%s", ci, sum, err, want, verdict, &out)
		}
	}
}

// TestWorkerNotices: events of a client that are out of order are noticed, whatever
// other clients do.
func TestWorkerNotices(t *testing.T) {
	w := &worker{clients: map[uint32]*told{}, message: func(uint32, string) {}}
	for _, command := range []byte{phpConnect, phpWebSocketConnect, phpMessage, phpClose} {
		w.handle(command, 1, "x")
	}
	for _, command := range []byte{phpConnect, phpClose, phpMessage} {
		w.handle(command, 2, "x")
	}
	w.handle(phpClose, 3, "")
	trial := newTrial(t.Context())
	if c := w.of(1); c.wrong != "" || c.messages != 1 {
		t.Errorf("a client in order: %+v", c)
	}
	if w.of(2).wrong == "" || w.of(3).wrong == "" {
		t.Errorf("a message after a close: %q, a close without a connect: %q", w.of(2).wrong, w.of(3).wrong)
	}
	w.open = 0
	w.settled(trial, "three clients", 3)
	if trial.failed != 2 {
		t.Errorf("%d failures: %q, want 2", trial.failed, trial.failures)
	}
}

func TestPercentile(t *testing.T) {
	if p := percentile([]time.Duration{3, 1, 2}, 99); p != 3 {
		t.Errorf("p99 is %d", p)
	}
	if p := percentile(nil, 50); p != 0 {
		t.Errorf("of nothing it is %d", p)
	}
}

// TestCluster plays a round of each scenario with several nodes.
func TestCluster(t *testing.T) {
	whole(t)
	list, err := Find([]string{"cluster-churn", "cluster-loss"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	sum, err := Run(t.Context(), list, time.Second, &out)
	if err != nil || sum.Scenarios != 2 || sum.Failed != 0 || sum.Checks < 1000 {
		t.Errorf("%+v, %v\n%s", sum, err, &out)
	}
}
