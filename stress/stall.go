package stress

import (
	"sync"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

var stalling = []Scenario{{
	Name:    "loop-stalls",
	Says:    "SIGSTOP and SIGCONT under traffic both ways; some leave meanwhile",
	options: wstest.Options{Flags: []string{"--on-message", "ignore"}},
	round:   stalls,
}}

func stalls(t *Trial, s *site) {
	const broadcasts, messages, leaving = 300, 200, 20
	stay := s.crowd(t, 20)
	leave := s.raw(t, leaving)
	var traffic sync.WaitGroup
	for _, c := range stay[:5] {
		traffic.Go(func() {
			for i := range messages {
				err := c.Conn.Write(t.ctx, 1, []byte(numbered(i, 50)))
				t.Check(err == nil, "a client's message: %v", err)
			}
		})
	}
	s.expect(messagesReceived, 5*messages)
	traffic.Go(func() {
		for i := range 3 {
			time.Sleep(50 * time.Millisecond)
			s.Signal(syscall.SIGSTOP)
			for _, r := range leave[i*5 : i*5+5] {
				r.Reset()
			}
			time.Sleep(200 * time.Millisecond)
			s.Signal(syscall.SIGCONT)
		}
	})
	for i := range broadcasts {
		s.broadcast(numbered(i, 500))
		time.Sleep(time.Millisecond)
	}
	traffic.Wait()
	for _, c := range stay {
		c.Await(broadcasts)
		t.all("a client that stayed", numbersOf(c), broadcasts)
		s.addReceived(broadcasts)
	}
	for _, r := range leave[15:] {
		got, _ := readRest(r, broadcasts)
		t.all("a raw client that stayed", got, broadcasts)
		s.addReceived(len(got))
	}
	s.AwaitMetric(messagesReceived, float64(s.owedOf(messagesReceived)))
	s.AwaitMetric("castgate_connections", float64(len(stay)+leaving-15))
	var late *wstest.Client
	t.within(func(t *Trial) { late = s.crowd(t, 1)[0] })
	t.Check(late.ID != "", "a client after the stalls has no id")
}

func (s *site) owedOf(sample string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expected[sample]
}

var silence = []Scenario{{
	Name:    "silent-peers",
	Says:    "silent peers are closed, those that answer pings stay",
	options: wstest.Options{Flags: []string{"--ping-interval", "500ms", "--ping-timeout", "1s", "--handshake-timeout", "1s"}},
	round:   silent,
}}

// silent opens connections that only the kernel keeps alive: some before the
// handshake, some after it.
func silent(t *Trial, s *site) {
	const mute = 50
	answering := s.crowd(t, 5)
	half := make([]*wstest.Raw, mute)
	for i := range half {
		half[i] = s.DialRaw(t)
		half[i].Put([]byte(wstest.Handshake[:i]))
	}
	s.raw(t, mute)
	s.expect(handshakesTimeout, mute)
	s.expect(closes("ping_timeout"), mute)
	said := 0
	wstest.Await(t, func() string {
		s.push(wstest.To("client_ids", answering[0].ID), numbered(said, 10))
		said++
		if n := s.Metrics()["castgate_sockets"]; n != float64(len(answering)) {
			return "silent peers are still there"
		}
		return ""
	})
	answering[0].Await(said)
	t.all("a client that answers pings", numbersOf(answering[0]), said)
	s.addReceived(said)
	for _, c := range answering {
		t.Check(c.Err() == nil && c.Pings() > 0, "a client that answers pings got %d and ended with %v", c.Pings(), c.Err())
	}
}
