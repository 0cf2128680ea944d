package stress

import "castgate/internal/wstest"

var silence = []Scenario{{
	Name:    "silent-peers",
	Says:    "peers that never speak are gone, those who answer pings stay",
	options: wstest.Options{Flags: []string{"--ping-interval", "500ms", "--ping-timeout", "1s", "--handshake-timeout", "1s"}},
	round:   silent,
}}

// silent opens connections that look alive to the kernel only: some before the
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
	s.owe(handshakesTimeout, mute)
	s.owe(closes("ping_timeout"), mute)
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
	t.all("who answers pings", numbersOf(answering[0]), said)
	s.heard(said)
	for _, c := range answering {
		t.Check(c.Err() == nil && c.Pings() > 0, "who answers pings got %d and ended with %v", c.Pings(), c.Err())
	}
}
