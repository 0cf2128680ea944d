package stress

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

var dying = []Scenario{{
	Name:  "kill-restart",
	Says:  "kill -9 during a broadcast: clients have an intact beginning, the next process starts clean",
	round: kill,
}}

func kill(t *Trial, s *site) {
	before := s.crowd(t, 20)
	known := map[string]bool{}
	for _, c := range before {
		known[c.ID] = true
	}
	var answered atomic.Int64
	var pushing sync.WaitGroup
	pushing.Go(func() {
		for i := 0; ; i++ {
			status, _, err := s.TryControl("POST", "/v1/push", wstest.M{"to": wstest.All(), "text": numbered(i, 1000), "wait": "written"})
			if err != nil || status != 200 {
				return
			}
			answered.Add(1)
		}
	})
	time.Sleep(200 * time.Millisecond) // let some pushes pass; how many does not matter
	s.Signal(syscall.SIGKILL)
	pushing.Wait()
	s.Kill()
	for _, c := range before {
		c.Ended()
		got := numbersOf(c)
		// A push is answered once the kernel has it, so nothing that was answered
		// is lost.
		t.Check(len(got) >= int(answered.Load()), "a client has %d of the %d pushes that were answered as written", len(got), answered.Load())
		t.all("a client of the killed process", got, len(got))
	}
	s.Restart()
	s.settleIn()
	again := s.crowd(t, 20)
	for _, c := range again {
		t.Check(!known[c.ID], "an id was assigned twice")
	}
	t.Equal("matched by a broadcast after the restart", s.broadcast(numbered(0, 10)), len(again))
	for _, c := range again {
		c.Await(1)
		t.all("a client after the restart", numbersOf(c), 1)
		s.addReceived(1)
	}
}
