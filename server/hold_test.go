package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// A client that has sent enough is not read until Resume, whatever it speaks:
// what came in the same read waits as well, and in the end nothing is lost.
func TestHeldClient(t *testing.T) {
	const messages = 5
	text := func(i int) string { return fmt.Sprint(i, strings.Repeat(" and again", 100)) }
	masked := func(i int) string {
		return string(codec.AppendMaskedFrame(nil, ws.OpText, []byte(text(i)), [4]byte{1, 2, 3, 4}))
	}
	for name, tt := range map[string]struct {
		scheme string
		frame  func(i int) string
	}{
		"ws":    {"", masked},
		"wss":   {"wss://", masked},
		"text":  {"text://", func(i int) string { return text(i) + "\n" }},
		"frame": {"frame://", func(i int) string { return counted(text(i)) }},
	} {
		t.Run(name, func(t *testing.T) {
			log := newEventLog()
			var last uint32
			change := func(c *Config) {
				c.PeerAddress = netip.MustParseAddrPort("127.0.0.1:12910")
				c.ConnectionIDs = func() uint32 { last++; return last }
				c.Loops, c.Events = 1, log
			}
			var s *testServer
			var conn net.Conn
			switch tt.scheme {
			case "":
				s = startServer(t, change)
				conn = s.dialPlain(0).Conn
			case "wss://":
				s = startSecure(t, &kernel.Linux, change)
				secure, err := s.dialTLS(insecure())
				if err != nil {
					t.Fatal(err)
				}
				conn = secure
			default:
				s = startServer(t, func(c *Config) { change(c); c.Listen = []string{"127.0.0.1:0", tt.scheme + "127.0.0.1:0"} })
				conn = s.dialPlain(1).Conn
			}
			if tt.scheme == "" || tt.scheme == "wss://" {
				_, _ = conn.Write(codec.AppendRequest(nil, "localhost", "/", [24]byte([]byte("MDEyMzQ1Njc4OWFiY2RlZg==")), ""))
			}
			eventually(t, "the client", func() bool { return len(log.of(1)) == 1 })
			log.taking.Store(uint32(gateway.TakenEnough))
			var all string
			for i := range messages {
				all += tt.frame(i)
			}
			if _, err := conn.Write([]byte(all)); err != nil {
				t.Fatal(err)
			}
			for i := range messages {
				eventually(t, "the next message", func() bool { return len(log.of(1)) == i+2 })
				s.settle() // it is held in the turn in which it was told
				s.push(gateway.Targets{All: true}, "pushed")
				if i == messages-1 {
					log.taking.Store(uint32(gateway.Taken))
					_ = conn.Close()
				}
				s.Resume([]uint32{1, 99})
			}
			eventually(t, "the end", func() bool { return len(log.of(1)) == messages+2 })
			for i, got := range log.of(1)[1 : messages+1] {
				if got != "message false "+text(i)+"|" {
					t.Errorf("message %d is %.40q", i, got)
				}
			}
			eventually(t, "the end of the socket", func() bool { return s.stats().Sockets == 0 })
			s.checkEmpty()
		})
	}
}

// A client that is held is kicked like any other, and its close is heard.
func TestHeldClientIsKicked(t *testing.T) {
	s, log := startPeer(t, nil)
	c := s.dial()
	log.taking.Store(uint32(gateway.TakenEnough))
	for range 3 {
		if err := c.ws.Write(ctx, websocket.MessageText, []byte("m")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first message", func() bool { return len(log.of(1)) == 2 })
	s.settle()
	if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{c.id}}, Code: 3001, Reason: "out"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	c.expectClose(3001, "out")
	eventually(t, "the end", func() bool { return s.stats().Closes["kicked"] == 1 && s.stats().Sockets == 0 })
	if got := log.of(1); len(got) != 3 || got[2] != "close|" {
		t.Errorf("told %q", got)
	}
}

// Messages that are not taken close their client, with a code that says why.
func TestMessageRefused(t *testing.T) {
	for _, tt := range []struct {
		answer gateway.Taking
		code   websocket.StatusCode
		reason string
	}{{gateway.RefusedLarge, 1009, "too_big"}, {gateway.RefusedFull, 1013, "events_full"}, {gateway.RefusedNobody, -1, "no_worker"}} {
		s, log := startPeer(t, nil)
		log.taking.Store(uint32(tt.answer))
		c := s.dial()
		if err := c.ws.Write(ctx, websocket.MessageText, []byte("m")); err != nil {
			t.Fatal(err)
		}
		<-c.done
		if code := websocket.CloseStatus(c.err); code != tt.code {
			t.Errorf("%s: closed with %d (%v), want %d", tt.reason, code, c.err, tt.code)
		}
		eventually(t, "the count", func() bool { return s.stats().Closes[tt.reason] == 1 })
	}
}
