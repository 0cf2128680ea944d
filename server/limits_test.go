package server

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/server/admission"
	"castgate/server/kernel"
)

// status is how a handshake is answered; a client it makes is closed and gone
// on return.
func (s *testServer) status(header http.Header) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{HTTPHeader: header})
	if resp == nil {
		s.t.Fatal(err)
	}
	if ws != nil {
		before := s.stats().Connections
		_ = ws.CloseNow()
		eventually(s.t, "the client to be gone", func() bool { return before == 0 || s.stats().Connections < before })
	}
	return resp.StatusCode
}

func TestMaxConnsPerIP(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConnsPerIP = 3 })
	clients := []*testClient{s.dial(), s.dial(), s.dial()}
	for range 5 {
		if got := s.status(nil); got != http.StatusTooManyRequests {
			t.Fatalf("a fourth connection is answered %d", got)
		}
	}
	if st := s.stats(); st.Handshakes["address_conns"] != 5 || st.Addresses != 1 {
		t.Errorf("counted %v, %d addresses", st.Handshakes, st.Addresses)
	}
	_ = clients[0].ws.CloseNow()
	eventually(t, "room for one more", func() bool { return s.stats().Sockets == 2 })
	s.dial()
	for _, c := range clients {
		c.ws.CloseNow()
	}
	if err := s.SetPolicy(admission.Policy{}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s.dial()
	}
}

// A wall clock that was centuries ahead for a moment, where Go keeps no
// monotonic time beside it (after 2157), leaves no bucket behind that fills in
// centuries, and none that is always full.
func TestQuotasKeepMonotonicTime(t *testing.T) {
	var ahead atomic.Int64
	sys := kernel.Linux
	sys.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) }
	s := startServerOn(t, &sys, func(c *Config) { c.ConnectRate, c.ConnectBurst = 10, 2 })
	const centuries = 175 * 365 * 24 * time.Hour
	admitted, begun := 0, time.Now()
	for _, jump := range []time.Duration{0, centuries, 0, -time.Hour, 0, centuries, 0} {
		ahead.Store(int64(jump))
		for range 5 {
			if s.status(nil) == http.StatusSwitchingProtocols {
				admitted++
			}
		}
	}
	if most := 3 + int(10*time.Since(begun).Seconds()); admitted > most {
		t.Errorf("%d connections in %v, want %d at most", admitted, time.Since(begun), most)
	}
	eventually(t, "a connection to be let in", func() bool { return s.status(nil) == http.StatusSwitchingProtocols })
}

// Sockets above the handshake rate are not refused, they wait for their turn:
// one in the acceptor, the others in the kernel.
func TestHandshakeRateIsSustained(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.HandshakeRate, c.HandshakeBurst = 5, 5 })
	const n = 25
	dialled := make(chan error, n)
	for range n {
		go func() {
			_, err := s.tryDial()
			dialled <- err
		}()
	}
	for in := 5; in <= n; in += 5 {
		for range 5 {
			if err := <-dialled; err != nil {
				t.Fatal(err)
			}
		}
		if got := s.stats().Connections; got != in {
			t.Fatalf("%d clients, want %d", got, in)
		}
		clock.advance(time.Second)
	}
	if st := s.stats(); st.Delayed != n/5-1 || st.Handshakes["ok"] != n {
		t.Errorf("%d delayed, %v", st.Delayed, st.Handshakes)
	}
}

func TestPingsCountAsMessages(t *testing.T) {
	s, _ := startOnClock(t, func(c *Config) { c.MessageRate, c.MessageBurst = 1, 5 })
	c := s.dial()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range 6 {
		if err := c.ws.Ping(ctx); (err == nil) != (i < 5) {
			t.Errorf("ping %d: %v", i, err)
		}
	}
	c.expectClose(websocket.StatusPolicyViolation, "too many messages")
}

func TestByteRateIsSustained(t *testing.T) {
	const max, rate = 1000, 10_000
	s, clock := startOnClock(t, func(c *Config) { c.MaxMessage, c.ByteRate = max, rate })
	burst := max + admission.MaxRead
	c := s.dial()
	message := []byte(strings.Repeat("x", max-8)) // 1000 bytes with its header
	taken := 0
	for i := range 1000 {
		if c.ws.Write(context.Background(), websocket.MessageText, message) != nil {
			break
		}
		gone := false
		eventually(t, "a message to be counted", func() bool {
			gone = s.stats().Closes["byte_rate"] > 0
			return gone || s.stats().MessagesIn == uint64(i)+1
		})
		if gone {
			break
		}
		taken += max
		clock.advance(50 * time.Millisecond) // 500 bytes: half of what it sends
	}
	if want := 2 * burst; taken < want-2*max || taken > want+2*max {
		t.Errorf("%d bytes were taken at twice the rate, want %d", taken, want)
	}
	c.expectClose(websocket.StatusPolicyViolation, "too many bytes")
}

// A rate that is set or taken away holds for who is connected; a new client in an old
// one's place has its whole burst.
func TestRatesComeAndGo(t *testing.T) {
	s, _ := startOnClock(t, func(c *Config) { c.Loops = 1 })
	echo := func(c *testClient) bool {
		before := s.stats().MessagesIn
		if c.ws.Write(context.Background(), websocket.MessageText, []byte("x")) != nil {
			return false
		}
		taken := false
		eventually(t, "the message", func() bool {
			taken = s.stats().MessagesIn > before
			return taken || s.stats().Connections == 0
		})
		return taken
	}
	c := s.dial()
	if !echo(c) {
		t.Error("a message is not taken without rates")
	}
	if err := s.SetPolicy(admission.Policy{MessageRate: 1, MessageBurst: 2}); err != nil {
		t.Fatal(err)
	}
	if taken := []bool{echo(c), echo(c), echo(c)}; !taken[0] || !taken[1] || taken[2] {
		t.Error("a rate that was set does not hold for a connected client")
	}
	eventually(t, "the slot to be free", func() bool { return s.stats().Sockets == 0 })
	c = s.dial()
	if taken := []bool{echo(c), echo(c)}; !taken[0] || !taken[1] {
		t.Error("a new client does not have its whole burst")
	}
	if err := s.SetPolicy(admission.Policy{}); err != nil {
		t.Fatal(err)
	}
	if !echo(c) {
		t.Error("a rate that was taken away still holds")
	}
}
