package gatewayworker

import (
	"fmt"
	"net/netip"
	"testing"

	"castgate/server/gateway"
)

// readmissions is a gateway.Host that counts how often clients that wait to be
// admitted are to be asked for again.
type readmissions struct {
	gateway.Host
	n int
}

func (r *readmissions) Readmit()        { r.n++ }
func (r *readmissions) Resume([]uint32) {}

// from is a client of an address.
func from(address string, connection uint32) gateway.EventClient {
	return gateway.EventClient{Connection: connection, Remote: netip.AddrPortFrom(netip.MustParseAddr(address), 1)}
}

func (s *turns) admits(address string) bool {
	return s.queue.Admit(netip.MustParseAddr(address)) == gateway.AdmitNow
}

// A storm of one network against a slow worker has that network's newcomers wait,
// and nobody else's, however much its clients send. It is asked again when room for
// it is back.
func TestStormLeavesRoom(t *testing.T) {
	const stormy = "192.0.2.1"
	for what, flood := range map[string]func(s *turns, connection uint32){
		"visits": func(s *turns, connection uint32) {
			s.queue.Opened(from(stormy, connection), nil)
			s.queue.Message(from(stormy, connection), true, make([]byte, 900))
			s.queue.Closed(from(stormy, connection))
		},
		"large messages": func(s *turns, connection uint32) {
			s.queue.Opened(from(stormy, connection), nil)
			s.queue.Message(from(stormy, connection), true, make([]byte, largeEvent-1000))
		},
	} {
		t.Run(what, func(t *testing.T) {
			host := &readmissions{}
			s := newTurns(t)
			s.serves(host)
			connection := uint32(1)
			for ; s.admits(stormy); connection++ {
				flood(s, connection)
			}
			for range 3000 { // who is there already goes on
				flood(s, connection)
				connection++
			}
			if bytes, _, _ := s.queue.waiting(); bytes > 64<<20 {
				t.Errorf("%d bytes wait", bytes)
			}
			if s.admits(stormy) {
				t.Fatal("the storm is admitted")
			}
			for i := range 100 {
				other := fmt.Sprintf("198.51.100.%d", 1+i)
				if !s.admits(other) {
					t.Fatalf("%s has to wait for the storm", other)
				}
				c := from(other, 1<<24+uint32(i))
				s.queue.Opened(c, nil)
				if taking := s.queue.Message(c, true, make([]byte, 30<<10)); taking != gateway.Taken && taking != gateway.TakenEnough {
					t.Fatalf("a message of %s is refused: %d", other, taking)
				}
			}
			for turns := 0; host.n == 0; turns++ {
				if turns > 1<<20 {
					t.Fatal("the storm is never asked again")
				}
				s.handOn()
			}
			if !s.admits(stormy) {
				t.Error("asked again without room")
			}
			if bytes, _, _ := s.queue.waiting(); bytes == 0 {
				t.Error("asked again only when nothing waits")
			}
		})
	}
}

// A network that holds nothing and finds no room at all is asked again, too.
func TestNoRoomForAnybody(t *testing.T) {
	host := &readmissions{}
	s := newTurns(t)
	s.serves(host)
	address := func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff) }
	i := 0
	for ; s.admits(address(i)); i++ {
		if i > 1<<20 {
			t.Fatal("there is always room")
		}
		c := from(address(i), uint32(i+1))
		s.queue.Opened(c, nil)
		s.queue.Message(c, true, make([]byte, 60<<10))
	}
	if bytes, _, _ := s.queue.waiting(); bytes > 70<<20 {
		t.Errorf("%d bytes wait", bytes)
	}
	for turns := 0; host.n == 0; turns++ {
		if turns > 1<<20 {
			t.Fatal("it is never asked again")
		}
		s.handOn()
	}
	if !s.admits(address(i)) {
		t.Error("asked again without room")
	}
}
