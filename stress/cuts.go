package stress

import (
	"strings"

	"castgate/internal/wstest"
)

var cutting = []Scenario{{
	Name:  "mid-frame-cuts",
	Says:  "connections end at every byte of a handshake and a frame",
	round: cuts,
}, {
	Name:  "rst-storm",
	Says:  "clients disappear with RST in the middle of broadcasts",
	round: resets,
}}

// cuts ends a connection after each prefix of a handshake, and others after each
// prefix of a frame, while a bystander receives pushes.
func cuts(t *Trial, s *site) {
	bystander := s.crowd(t, 1)[0]
	frame := wstest.MaskedFrame(wstest.OpText, []byte(strings.Repeat("a frame cut off ", 4)))
	said := 0
	say := func() {
		s.broadcast(numbered(said, 50))
		said++
	}
	for n := 1; n < len(wstest.Handshake); n += 3 {
		r := s.DialRaw(t)
		r.Put([]byte(wstest.Handshake[:n]))
		if n%2 == 0 {
			r.CloseWrite()
		}
		r.Close()
		s.expect(handshakesGone, 1)
		if n%10 == 0 {
			say()
		}
	}
	for n := 1; n < len(frame); n++ {
		r := s.raw(t, 1)[0]
		r.Put(frame[:n])
		switch n % 3 {
		case 0:
			r.CloseWrite()
			_, code := readRest(r, 1<<30)
			t.Equal("the close code after a frame that was cut", code, 0)
		case 1:
			r.Close()
		case 2:
			r.Reset()
		}
		if n%5 == 0 {
			say()
		}
	}
	bystander.Await(said)
	t.all("the bystander", numbersOf(bystander), said)
	s.addReceived(said)
	s.AwaitMetric("castgate_sockets", 1)
	s.expect(closes("peer_closed"), 0) // without a close frame
}

func resets(t *Trial, s *site) {
	const broadcasts, doomed = 200, 100
	stay := s.crowd(t, 20)
	gone := s.raw(t, doomed)
	for i := range broadcasts {
		s.broadcast(numbered(i, 4000))
		if i%2 == 0 {
			gone[i/2].Reset()
		}
	}
	for _, c := range stay {
		c.Await(broadcasts)
		t.all("a client that stayed", numbersOf(c), broadcasts)
		s.addReceived(broadcasts)
	}
	s.AwaitMetric("castgate_connections", float64(len(stay)))
	s.expect(closes("peer_closed"), 0) // without a close frame
}
