package loop

import (
	"testing"
	"time"
)

// A command posted while the bell is rung for the rest of a long batch is not
// forgotten when that batch is done.
func TestNoWakeUpIsLost(t *testing.T) {
	l := idleLoop(t)
	done := 0
	count := command{kind: cmdFunc, run: func(*loop) { done++ }}
	for range turnCommands + 10 {
		l.mail.post(count)
	}
	if err := l.turn(); err != nil || done != turnCommands || !l.mail.rung.Load() {
		t.Fatalf("first turn: %v, %d done", err, done)
	}
	l.mail.post(count) // the bell is rung: no need to ring again
	for turns := 0; l.mail.rung.Load(); turns++ {
		if turns > 3 {
			t.Fatal("the bell never rests")
		}
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
	}
	if want := turnCommands + 11; done != want {
		t.Errorf("the loop rests with %d of %d commands done", done, want)
	}
}

// A stall of the loop does not count against clients whose pongs it has not
// had the time to read.
func TestStallDoesNotExpireClients(t *testing.T) {
	l := idleLoop(t)
	l.clock.began -= time.Hour
	l.clock.tick()
	if now := l.clock.now(); now > maxTickStep {
		t.Errorf("an hour's stall moved the loop's time by %d ticks", now)
	}
	if lag := time.Duration(l.count.Lag.Load()); lag < 59*time.Minute {
		t.Errorf("the lag is given as %v", lag)
	}
	before := l.clock.now()
	l.clock.tick()
	if l.clock.now() > before+1 {
		t.Errorf("the stall is caught up later: %d, then %d", before, l.clock.now())
	}
}
