package server

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/kernel"
)

// Messages that are not whole share a bound: who goes over it is told to try
// again later, whatever it speaks. Short ones always find room, and what a client
// kept is free again when it has gone or its message is whole.
func TestMessagesInPiecesAreBounded(t *testing.T) {
	sys := kernel.Linux
	clock := stopClock(&sys)
	s, log := startPlainOn(t, &sys, func(c *Config) { c.Loops, c.MaxMessage, c.InitMessage = 1, 1<<20, "" })
	full := int64(assemblyMemory - 100<<10)
	s.assembling.Store(full)
	fin := codec.AppendMaskedFrame(nil, ws.OpContinuation, []byte("."), [4]byte{})
	part := codec.AppendMaskedFrame(nil, ws.OpText, []byte(strings.Repeat("m", 60<<10)), [4]byte{})
	part[0] &^= 0x80
	more := bytes.Clone(part)
	more[0] = 0
	request := string(codec.AppendRequest(nil, "localhost", "/", [24]byte([]byte("MDEyMzQ1Njc4OWFiY2RlZg==")), ""))

	short := s.dialPlain(0)
	short.say(request + string(part) + string(fin))
	eventually(t, "a message that is short enough", func() bool { return len(log.of(1)) == 2 })
	long := s.dialPlain(0)
	long.say(request + strings.Repeat(string(part)+string(more[:0]), 1) + strings.Repeat(string(more), 4))
	clock.eventually(s, "the end of one that is too long", func() bool { return s.stats().Closes["messages_full"] == 1 })
	line := s.dialPlain(1)
	line.say(strings.Repeat("l", 300<<10))
	clock.eventually(s, "the end of a line that is too long", func() bool { return s.stats().Closes["messages_full"] == 2 })
	s.assembling.Store(0)
	again := s.dialPlain(0)
	again.say(request + string(part) + strings.Repeat(string(more), 4))
	eventually(t, "it is kept", func() bool { return s.assembling.Load() >= 200<<10 })
	again.say(string(fin))
	eventually(t, "it is whole", func() bool { return len(log.of(4)) == 2 && s.assembling.Load() == 0 })
	if got := log.of(4)[1]; len(got) != len("message false .|")+5*60<<10 {
		t.Errorf("a message of %d bytes", len(got))
	}
}

// Text that is not UTF-8 is refused, until somebody wants messages as
// GatewayWorker gives them; messages nobody wants are not kept.
func TestAnyText(t *testing.T) {
	s, log := startPeer(t, func(c *Config) { c.Loops, c.Compress, c.CompressMin = 1, true, 0 })
	for _, dial := range []func() *testClient{s.dial, s.dialCompressing} {
		bad := strings.Repeat("\xff", 100)
		s.WantMessages(true)
		c := dial()
		if err := c.ws.Write(ctx, websocket.MessageText, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		id := connectionOf(t, c.id)
		eventually(t, "the message", func() bool { return len(log.of(id)) == 2 })
		if got := log.of(id)[1]; got != "message false "+bad+"|" {
			t.Errorf("told %q", got)
		}
		s.WantMessages(false)
		if err := c.ws.Write(ctx, websocket.MessageText, []byte("nobody wants this")); err != nil {
			t.Fatal(err)
		}
		if err := c.ws.Write(ctx, websocket.MessageText, []byte(bad)); err != nil {
			t.Fatal(err)
		}
		<-c.done
		if code := websocket.CloseStatus(c.err); code != 1007 {
			t.Errorf("closed with %d: %v", code, c.err)
		}
		eventually(t, "the end", func() bool { return len(log.of(id)) == 3 })
	}
}
