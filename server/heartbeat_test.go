package server

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/server/heartbeat"
)

// On the wire: a client that says nothing is cut off, one that answers stays.
func TestHeartbeatOnTheWire(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) {
		c.Heartbeat = heartbeat.Settings{Interval: 2 * time.Second, Limit: 2, Data: "ping"}
	})
	silent, talks := s.dial(), s.dial()
	ctx := context.Background()
	said := uint64(0)
	clock.eventually(s, "the silent client to be cut off", func() bool {
		_ = talks.ws.Write(ctx, websocket.MessageText, []byte("pong"))
		said++
		eventually(t, "the message", func() bool { return s.stats().MessagesIn == said })
		select {
		case <-silent.done:
			return true
		default:
			return false
		}
	})
	silent.expect("ping", "ping")
	if st := s.stats(); st.Connections != 1 || st.Closes["heartbeat"] != 1 {
		t.Errorf("%d clients, %v", st.Connections, st.Closes)
	}
}
