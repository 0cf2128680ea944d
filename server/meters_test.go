package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/server/admission"
)

// A reload of rates touches no connection: who has used all of the old one, and
// keeps to the new one from then on, is neither closed nor kept waiting, also
// where the new burst is smaller than what was used.
func TestSetMessageRate(t *testing.T) {
	for _, is := range []admission.Policy{
		{MessageRate: 1000, MessageBurst: 1000}, {MessageRate: 1, MessageBurst: 3}, {MessageRate: 0.01, MessageBurst: 3},
	} {
		s, _ := startOnClock(t, func(c *Config) { c.MessageRate, c.MessageBurst = 1, 20 })
		c := s.dial()
		echo := func(n int) {
			t.Helper()
			before := s.stats().MessagesIn
			for range n {
				if err := c.ws.Write(context.Background(), websocket.MessageText, []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "the messages", func() bool {
				st := s.stats()
				if st.Closes["message_rate"] > 0 {
					t.Fatalf("closed by a reload to %+v", is)
				}
				return st.MessagesIn == before+uint64(n)
			})
		}
		echo(20)
		if err := s.SetPolicy(is); err != nil {
			t.Fatal(err)
		}
		echo(is.MessageBurst)
		if err := s.SetPolicy(is); err != nil { // changes nothing
			t.Fatal(err)
		}
		_ = c.ws.Write(context.Background(), websocket.MessageText, []byte("x"))
		c.expectClose(websocket.StatusPolicyViolation, "too many messages")
	}
}

// Nor does a lower max-message, with which the burst of bytes falls.
func TestSetMaxMessageBelowBytesUsed(t *testing.T) {
	s, _ := startOnClock(t, func(c *Config) { c.MaxMessage, c.ByteRate = 1<<20, 1000 })
	c := s.dial()
	c.ws.SetReadLimit(-1)
	if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(strings.Repeat("x", 1<<20))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return s.stats().MessagesIn == 1 })
	lower := s.config.Capacity
	lower.MaxMessage = 1 << 10
	if err := s.SetCapacity(lower); err != nil {
		t.Fatal(err)
	}
	_ = c.ws.Write(context.Background(), websocket.MessageText, []byte("x"))
	eventually(t, "a small message", func() bool {
		st := s.stats()
		if st.Closes["byte_rate"] > 0 {
			t.Fatal("closed by a lower max-message")
		}
		return st.MessagesIn == 2
	})
}

// Whoever comes after a reload has the new rates of connecting at once.
func TestSetConnectRates(t *testing.T) {
	s, _ := startOnClock(t, func(c *Config) { c.ConnectRate, c.ConnectBurst, c.HandshakeRate, c.HandshakeBurst = 1, 10, 1, 11 })
	for range 10 {
		if got := s.status(nil); got != http.StatusSwitchingProtocols {
			t.Fatalf("answered %d within the burst", got)
		}
	}
	if got := s.status(nil); got != http.StatusTooManyRequests {
		t.Fatalf("answered %d above the rate", got)
	}
	for _, is := range []admission.Policy{
		{ConnectRate: 1000, HandshakeRate: 1000}, {ConnectRate: 0.01, ConnectBurst: 2, HandshakeRate: 0.01, HandshakeBurst: 2},
	} {
		if err := s.SetPolicy(is); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := s.status(nil); got != http.StatusSwitchingProtocols {
				t.Errorf("answered %d after a reload to %+v", got, is)
			}
		}
	}
	if w := s.admission.Pace(); w < time.Second {
		t.Errorf("a wait of %v, with nothing left of the burst", w)
	}
}
