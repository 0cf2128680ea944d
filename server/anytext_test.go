package server

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
)

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
