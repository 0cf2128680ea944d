package server

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
)

// Connections that are not admitted yet wait with their request unanswered, and
// with what they have sent behind it; those that leave meanwhile are nobody's
// business. Then each is served as it would have been.
func TestWaiters(t *testing.T) {
	s, log := startPlain(t, func(c *Config) { c.Loops = 1 })
	log.admission.Store(uint32(gateway.AdmitLater))
	const web, text, gone = 0, 1, 2
	clients := []*plainClient{s.dialPlain(0), s.dialPlain(1), s.dialPlain(0)}
	request := string(codec.AppendRequest(nil, "localhost", "/", [24]byte([]byte("MDEyMzQ1Njc4OWFiY2RlZg==")), ""))
	hello := string(codec.AppendMaskedFrame(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4}))
	clients[web].say(request + hello[:3])
	clients[text].say("hel")
	clients[gone].say(request)
	eventually(t, "all wait", func() bool { return s.Waiting() == 3 })
	_ = clients[gone].Close()
	eventually(t, "one has left", func() bool { return s.Waiting() == 2 })
	clients[web].say(hello[3:])
	clients[text].say("lo\n")
	s.Readmit() // nothing has changed
	if n := s.Waiting(); n != 2 || len(log.of(1)) != 0 {
		t.Fatalf("%d wait, events %q", n, log.of(1))
	}
	log.admission.Store(uint32(gateway.AdmitNow))
	s.Readmit()
	eventually(t, "both are served", func() bool { return len(log.of(1)) == 2 && len(log.of(2)) == 2 })
	for id := range uint32(2) {
		if got := log.of(id + 1)[1]; got != "message false hello|" {
			t.Errorf("client %d: %q", id+1, got)
		}
	}
	if n := s.Waiting(); n != 0 {
		t.Errorf("%d waiters are left", n)
	}
	if n := s.stats().Handshakes["gone"]; n != 1 {
		t.Errorf("%d handshakes gone", n)
	}
}

// Who can't be admitted is told so, at once or after waiting.
func TestWaitersRefused(t *testing.T) {
	s, log := startPeer(t, func(c *Config) { c.Loops = 1 })
	log.admission.Store(uint32(gateway.AdmitNever))
	if _, err := s.tryDial(); err == nil {
		t.Fatal("admitted")
	}
	log.admission.Store(uint32(gateway.AdmitLater))
	failed := make(chan error)
	go func() {
		_, err := s.tryDial()
		failed <- err
	}()
	eventually(t, "it waits", func() bool { return s.Waiting() == 1 })
	log.admission.Store(uint32(gateway.AdmitNever))
	s.Readmit()
	if err := <-failed; err == nil {
		t.Fatal("admitted")
	}
	eventually(t, "two refusals", func() bool { return s.stats().Handshakes["no_worker"] == 2 })
}

// Connections that have sent something behind what admits them, and leave, give
// back their places without being asked for, whether they end in order or by a
// reset.
func TestWaitersThatLeave(t *testing.T) {
	s, log := startPlain(t, func(c *Config) { c.Loops = 1 })
	log.admission.Store(uint32(gateway.AdmitLater))
	const many = 64
	request := string(codec.AppendRequest(nil, "localhost", "/", [24]byte([]byte("MDEyMzQ1Njc4OWFiY2RlZg==")), ""))
	for scheme, said := range []string{request + "\x81", "x", "x", "x"} {
		var clients []*plainClient
		for range many {
			c := s.dialPlain(scheme)
			c.say(said)
			clients = append(clients, c)
		}
		eventually(t, "all wait", func() bool { return s.Waiting() == many })
		for i, c := range clients {
			c.say("y") // it is not read
			if i%2 == 0 {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
		eventually(t, "all places are free", func() bool { return s.Waiting() == 0 })
	}
	eventually(t, "their sockets to be closed", func() bool { return s.stats().Sockets == 0 })
	if n := s.stats().Handshakes["gone"]; n != 4*many {
		t.Errorf("%d handshakes gone, want %d", n, 4*many)
	}
}

// Waiters are let in by network in turn, those of a network in order, so that a
// crowd delays only itself. One for whom there is no room yet keeps its place, and
// newcomers of its network stand behind it.
func TestWaitersByNetwork(t *testing.T) {
	s, log := startPlain(t, func(c *Config) {
		c.Loops = 1
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.ProxyProtocol = true
	})
	const crowd = 200 // several turns'
	dial := func(from string) {
		s.dialPlain(1).say(fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 1234 80\r\n", from))
	}
	log.admission.Store(uint32(gateway.AdmitLater))
	for i := range crowd {
		dial("198.51.100.7")
		eventually(t, "it waits", func() bool { return s.Waiting() == i+1 })
	}
	for i := range 2 {
		dial(fmt.Sprintf("203.0.113.%d", 1+i))
		eventually(t, "it waits", func() bool { return s.Waiting() == crowd+i+1 })
	}
	log.budget.Store(4)
	log.admission.Store(uint32(gateway.AdmitNow))
	dial("198.51.100.7") // not before those that wait
	eventually(t, "it waits, too", func() bool { return s.Waiting() == crowd+3 })
	s.Readmit()
	eventually(t, "four are let in", func() bool { return s.Waiting() == crowd-1 })
	of := map[string]int{}
	for id := range uint32(4) {
		log.mu.Lock()
		of[log.last[id+1].Remote.Addr().String()]++
		log.mu.Unlock()
	}
	if want := map[string]int{"198.51.100.7": 2, "203.0.113.1": 1, "203.0.113.2": 1}; !maps.Equal(of, want) {
		t.Errorf("let in first: %v, want %v", of, want)
	}
	log.budget.Store(0)
	log.admission.Store(uint32(gateway.AdmitNow))
	s.Readmit()
	s.Readmit() // while the first pass is under way
	eventually(t, "all are let in", func() bool { return s.Waiting() == 0 && s.stats().Connections == crowd+3 })
}
