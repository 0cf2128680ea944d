package gatewayworker

import (
	"fmt"
	"net/netip"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// turns is the delivery of events to one worker, and the events handed to it.
type turns struct {
	*delivery
	worker *innerConn
}

func newTurns(t *testing.T) *turns {
	l := newStillLoop(t, nil)
	l.queue.phase.Store(int32(phaseServed))
	s := &turns{&l.delivery, &innerConn{}}
	s.workers.attach("w:0", s.worker)
	return s
}

// does makes a client connect and send a number of one-byte messages.
func (s *turns) does(connection uint32, messages int) {
	s.doesFrom("192.0.2.1", connection, messages)
}

// doesFrom is does for a client with an address.
func (s *turns) doesFrom(address string, connection uint32, messages int) {
	c := gateway.EventClient{Connection: connection, Remote: netip.AddrPortFrom(netip.MustParseAddr(address), 1)}
	s.queue.Opened(c, nil)
	for range messages {
		s.queue.Message(c, false, []byte("x"))
	}
}

// handOn fills the worker's socket once more and returns whose events it got.
func (s *turns) handOn() (of []uint32) {
	s.deliver()
	s.fill(s.worker)
	for rest := s.worker.out.bytes; len(rest) > 0; {
		var connection uint32
		_, _, connection, rest = cutFrame(rest)
		of = append(of, connection)
	}
	s.worker.out.drop()
	return of
}

// However many clients always have events waiting, a client that seldom sends
// something waits only for what was written to the socket before, and for at most
// one event of the others. All events of a short visit are handed on at once.
func TestQuietBeforeLoud(t *testing.T) {
	const loud, quiet = 300, 1000
	s := newTurns(t)
	for i := range uint32(loud) {
		s.does(i+1, 200)
	}
	for handed := 0; handed < 2*loud*quickEvents; { // no newcomer is left
		handed += len(s.handOn())
	}
	if n := len(s.handOn()); n > 100 {
		t.Errorf("%d events wait for a socket that is full", n)
	}
	for i := range uint32(50) {
		s.does(quiet+i, 1)
		s.queue.Closed(gateway.EventClient{Connection: quiet + i})
		got := s.handOn()
		want := []uint32{quiet + i, quiet + i, quiet + i}
		if at := min(len(got), 1); fmt.Sprint(got[:3]) != fmt.Sprint(want) && fmt.Sprint(got[at:4]) != fmt.Sprint(want) {
			t.Fatalf("a visit is not among the first: %v", got)
		}
	}
}

// Newcomers do not starve those who have waited: every other turn is theirs.
func TestLoudIsNotStarved(t *testing.T) {
	s := newTurns(t)
	s.does(1, 2000)
	s.handOn()
	for i := range uint32(1000) {
		s.does(100+i, 0)
	}
	ofLoud, ofOthers := 0, 0
	for ofOthers < 1000 {
		for _, c := range s.handOn() {
			if c == 1 {
				ofLoud++
			} else {
				ofOthers++
			}
		}
	}
	if ofLoud < 900 {
		t.Errorf("%d events of one who waited, beside %d of those who came later", ofLoud, ofOthers)
	}
}

// Clients of one network that come and go all the time wait for each other. A
// client of another network waits only for what was written to the socket before,
// and for one of their turns.
func TestStormOfOneNetwork(t *testing.T) {
	for name, of := range map[string]struct{ storm, other func(i int) string }{
		"IPv4": {func(int) string { return "192.0.2.1" }, func(i int) string { return fmt.Sprintf("198.51.100.%d", 1+i) }},
		"IPv6": {func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", 1+i) }, func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", 2+i) }},
	} {
		t.Run(name, func(t *testing.T) {
			const other = 1 << 20
			s := newTurns(t)
			came := uint32(0)
			storm := func(visits int) {
				for range visits {
					came++
					from := of.storm(int(came))
					s.doesFrom(from, came, 1)
					s.queue.Closed(gateway.EventClient{Connection: came, Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 1)})
				}
			}
			storm(2000)
			handed := len(s.handOn())
			for i := range uint32(50) {
				storm(100)
				s.doesFrom(of.other(int(i)), other+i, 1)
				got, ours := s.handOn(), []uint32{other + i, other + i}
				handed += len(got)
				if fmt.Sprint(got[:2]) != fmt.Sprint(ours) && fmt.Sprint(got[quickEvents-1:][:2]) != fmt.Sprint(ours) {
					t.Fatalf("visit %d of another network is not among the first: %v", i, got)
				}
			}
			for all := 3*int(came) + 2*50; handed < all; {
				got := len(s.handOn())
				if handed += got; got == 0 {
					t.Fatalf("%d of %d events are handed on", handed, all)
				}
			}
			if bytes, clients, _ := s.queue.waiting(); bytes+clients+s.queue.networksWaiting() != 0 {
				t.Errorf("%d bytes of %d clients of %d networks are left", bytes, clients, s.queue.networksWaiting())
			}
		})
	}
}

// Networks that always have events waiting are served in turn, however many clients
// each of them has.
func TestNetworksTakeTurns(t *testing.T) {
	s := newTurns(t)
	for i := range uint32(1000) { // behind one address
		s.doesFrom("192.0.2.1", 1+i, 20)
	}
	s.doesFrom("192.0.2.2", 5000, 2000)
	s.doesFrom("192.0.2.3", 6000, 2000)
	got := map[uint32]int{}
	for range 80 {
		for _, c := range s.handOn() {
			got[min(c, 5000)/5000*c]++
		}
	}
	if min(got[0], got[5000], got[6000]) < 1000 || max(got[0], got[5000], got[6000]) > min(got[0], got[5000], got[6000])+2*quickEvents {
		t.Errorf("events of a crowd and of two clients elsewhere: %v", got)
	}
}

// Events that a worker did not get come first again, in order, whichever line their
// client was in.
func TestTurnsKeepOrder(t *testing.T) {
	s := newTurns(t)
	for i := range uint32(20) {
		s.does(i+1, 50)
	}
	s.deliver()
	s.fill(s.worker)
	s.queue.putBack(s.worker.out.bytes)
	s.worker.out.drop()
	messages := map[uint32]int{}
	for all := 0; all < 20*51; {
		s.deliver()
		s.fill(s.worker)
		for rest := s.worker.out.bytes; len(rest) > 0; all++ {
			var command wire.Command
			var connection uint32
			_, command, connection, rest = cutFrame(rest)
			if first := messages[connection] == 0; first != (command == wire.OnConnect) {
				t.Fatalf("client %d: command %d after %d events", connection, command, messages[connection])
			}
			messages[connection]++
		}
		s.worker.out.drop()
	}
	if bytes, clients, _ := s.queue.waiting(); bytes != 0 || clients != 0 {
		t.Errorf("%d bytes of %d clients are left", bytes, clients)
	}
}
