package stress

import (
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

var churning = []Scenario{{
	Name:  "churn",
	Says:  "clients come and go while everybody is pushed to",
	round: churn,
}}

// churn: a client that stays gets every push. A client that comes and goes gets all
// pushes between its first and its last.
func churn(t *Trial, s *site) {
	const broadcasts = 300
	stay := s.crowd(t, 20)
	var over atomic.Bool
	var guests sync.WaitGroup
	for w := range 4 {
		guests.Go(func() {
			for !over.Load() {
				t.within(func(t *Trial) { guest(t, s, w%2 == 0) })
			}
		})
	}
	for i := range broadcasts {
		s.broadcast(numbered(i, 200))
		time.Sleep(2 * time.Millisecond) // leave the processor to others
	}
	over.Store(true)
	guests.Wait()
	for _, c := range stay {
		c.Await(broadcasts)
		t.all("a client that stayed", numbersOf(c), broadcasts)
		s.addReceived(broadcasts)
	}
}

// guest is a client that stays for a few milliseconds and leaves with or without a
// close frame.
func guest(t *Trial, s *site, polite bool) {
	c, _, err := s.TryDial(t, wstest.DialOptions{})
	t.Check(err == nil, "a guest: %v", err)
	if err != nil {
		return
	}
	s.expect(handshakesOK, 1)
	time.Sleep(10 * time.Millisecond)
	if polite {
		c.Close()
	} else {
		c.Conn.CloseNow()
	}
	got := numbersOf(c)
	t.run("a guest", got)
	s.addReceived(len(got))
}
