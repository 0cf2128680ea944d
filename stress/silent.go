package stress

import "castgate/internal/wstest"

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
