package server

import (
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
	if n := s.waitRoom.Load(); n != 0 || s.Waiting() != 0 {
		t.Errorf("%d bytes of %d waiters are left", n, s.Waiting())
	}
	if n := s.stats().Handshakes["gone"]; n != 1 {
		t.Errorf("%d handshakes gone", n)
	}
}

// Who can't be admitted is told so, at once or after waiting; so is who would
// hold more than there is for all.
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
	s.waitRoom.Add(waitMemory)
	if _, err := s.tryDial(); err == nil {
		t.Fatal("there was no room")
	}
	s.waitRoom.Add(-waitMemory)
	log.admission.Store(uint32(gateway.AdmitNever))
	s.Readmit()
	if err := <-failed; err == nil {
		t.Fatal("admitted")
	}
	eventually(t, "three refusals", func() bool { return s.stats().Handshakes["no_worker"] == 3 })
	if n := s.waitRoom.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}
