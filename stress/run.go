package stress

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"castgate/internal/wstest"
)

// Scenario is one kind of trouble.
type Scenario struct {
	Name, Says string
	options    wstest.Options
	// round plays the trouble once, for a few seconds. Its connections are closed
	// when it returns.
	round func(t *Trial, s *site)
	// prepare sets up what a scenario needs apart from its gateway, and returns the
	// gateway's options and the round; nil if there is nothing to set up. An error
	// says why the scenario cannot be played on this machine.
	prepare func(t *Trial) (wstest.Options, func(t *Trial, s *site), error)
}

// Scenarios returns all scenarios, in the order in which they run.
func Scenarios() []Scenario {
	return slices.Concat(churning, slowReaders, steadyReaders, cutting, flooding, silence, dying, lateness, shortage, stalling, jumping, securing, stuckLogs, fairness, rolling, telling, storming, clustering)
}

// Find returns scenarios by name, all if there are no names.
func Find(names []string) ([]Scenario, error) {
	all := Scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var found []Scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q", name)
		}
		found = append(found, all[i])
	}
	return found, nil
}

// Summary is the result of a run.
type Summary struct{ Scenarios, Checks, Failed, Skipped int }

// Run plays scenarios one after the other, each for its share of the time and at
// least one round, and prints a line for each. The binary stays for the next run;
// the program ends with wstest.Clean. When ctx ends it stops the running gateway
// and returns the cause.
func Run(ctx context.Context, list []Scenario, length time.Duration, out io.Writer) (Summary, error) {
	var sum Summary
	for i, s := range list {
		fmt.Fprintf(out, "%2d/%d  %-16s ", i+1, len(list), s.Name)
		o, err := play(ctx, s, length/time.Duration(len(list)))
		if err != nil {
			fmt.Fprintln(out, "interrupted")
			return sum, err
		}
		sum.Scenarios++
		sum.Checks += o.checks
		verdict := "PASS"
		switch {
		case o.failed > 0:
			verdict = "FAIL"
			sum.Failed++
		case o.skipped != nil:
			fmt.Fprintf(out, "SKIP  %v\n", o.skipped)
			sum.Skipped++
			continue
		}
		fmt.Fprintf(out, "%s %8d checks %4d rounds %6.1f s  %s\n", verdict, o.checks, o.rounds, o.took.Seconds(), s.Says)
		for _, line := range append(o.figures, o.failures...) {
			fmt.Fprintf(out, "       %.4000s\n", line)
		}
	}
	fmt.Fprintf(out, "%d scenarios, %d checks, %d failed", sum.Scenarios, sum.Checks, sum.Failed)
	if sum.Skipped > 0 {
		fmt.Fprintf(out, ", %d skipped", sum.Skipped)
	}
	fmt.Fprintln(out)
	return sum, nil
}

// outcome is the result of one scenario.
type outcome struct {
	checks, failed, rounds int
	failures, figures      []string
	took                   time.Duration
	skipped                error // why it was not played
}

func play(ctx context.Context, s Scenario, share time.Duration) (outcome, error) {
	begun := time.Now()
	t := newTrial(ctx)
	rounds, skipped := 0, error(nil)
	played, opened := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(played)
		defer t.cleanup()
		options, round := s.options, s.round
		if s.prepare != nil {
			if options, round, skipped = s.prepare(t); skipped != nil {
				// Nobody would notice a scenario that CI skips.
				if os.Getenv("CI") == "true" {
					t.Check(false, "must not be skipped in CI: %v", skipped)
				}
				return
			}
		}
		gateway := open(t, options)
		close(opened)
		for rounds == 0 || time.Since(begun) < share && !t.Failed() {
			t.within(func(r *Trial) { round(r, gateway) })
			rounds++
		}
		gateway.close()
	}()
	select {
	case <-played:
	case <-ctx.Done():
		// A gateway that is being started can be stopped once it has been. The
		// goroutine of the scenario is left to fail on its own, since the program ends.
		select {
		case <-opened:
		case <-played:
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			t.cleanup()
		}()
		<-stopped
		return outcome{}, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return outcome{t.checks, t.failed, rounds, t.failures, t.figures, time.Since(begun), skipped}, nil
}
