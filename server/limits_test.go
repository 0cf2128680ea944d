package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
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
	if err := s.SetPolicy(Policy{}); err != nil {
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
	sys := linux
	sys.now = func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) }
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

// Whoever connects as fast as it can gets exactly the rate, over 100 seconds.
func TestConnectRateIsSustained(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.ConnectRate, c.ConnectBurst = 2, 4 })
	admitted := 0
	for range 400 { // four tries a second
		switch got := s.status(nil); got {
		case http.StatusSwitchingProtocols:
			admitted++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("answered %d", got)
		}
		clock.advance(time.Second / 4)
	}
	if want := 4 + 2*100 - 1; admitted < want-1 || admitted > want+1 {
		t.Errorf("%d connections in 100 s, want %d", admitted, want)
	}
	if st := s.stats(); st.Handshakes["address_rate"] != uint64(400-admitted) {
		t.Errorf("counted %v", st.Handshakes)
	}
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

// A client that keeps to its rate is never closed; one that is a tenth above
// it is when the burst is used up.
func TestMessageRateIsSustained(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) { c.MessageRate, c.MessageBurst = 10, 20 })
	send := func(c *testClient, step time.Duration, most int) (sent int) {
		before := s.stats().MessagesIn
		for ; sent < most; sent++ {
			if c.ws.Write(context.Background(), websocket.MessageText, []byte("x")) != nil {
				return sent
			}
			done := false
			eventually(t, "a message to be counted", func() bool {
				st := s.stats()
				done = st.Closes["message_rate"] > 0
				return done || st.MessagesIn == before+uint64(sent)+1
			})
			if done {
				return sent
			}
			clock.advance(step)
		}
		return sent
	}
	if n := send(s.dial(), time.Second/10, 400); n != 400 {
		t.Errorf("closed after %d messages at the rate", n)
	}
	c := s.dial()
	// Each message takes 1 and gives back 10/11: 20 + n*10/11 >= n ends at 210.
	if n := send(c, time.Second/11, 1000); n < 208 || n > 212 {
		t.Errorf("closed after %d messages at 11/10 of the rate, want 210", n)
	}
	c.expectClose(websocket.StatusPolicyViolation, "too many messages")
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
	burst := s.leastByteBurst()
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

// Without rates there is no memory for them, and it goes when they are taken
// away; a new client in an old one's place has its whole burst.
func TestMetersComeAndGo(t *testing.T) {
	s, _ := startOnClock(t, func(c *Config) { c.Loops = 1 })
	l := s.loops[0]
	pages := func() (n int) {
		done := make(chan struct{})
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) { n = len(l.meters.pages); close(done) }})
		<-done
		return n
	}
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
	if !echo(c) || pages() != 0 {
		t.Error("there are meters without rates")
	}
	if err := s.SetPolicy(Policy{MessageRate: 1, MessageBurst: 2}); err != nil {
		t.Fatal(err)
	}
	if taken := []bool{echo(c), echo(c), echo(c)}; !taken[0] || !taken[1] || taken[2] || pages() != 1 {
		t.Error("a rate that was set does not hold for a connected client")
	}
	eventually(t, "the slot to be free", func() bool { return s.stats().Sockets == 0 })
	c = s.dial()
	if taken := []bool{echo(c), echo(c)}; !taken[0] || !taken[1] {
		t.Error("a new client does not have its whole burst")
	}
	if err := s.SetPolicy(Policy{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the meters to go", func() bool { return pages() == 0 })
	if !echo(c) {
		t.Error("a rate that was taken away still holds")
	}
}

func TestWrongPolicies(t *testing.T) {
	s := startServer(t, nil)
	for name, change := range map[string]func(*Policy){
		"max-conns-per-ip":     func(p *Policy) { p.MaxConnsPerIP = -1 },
		"connect-rate-per-ip":  func(p *Policy) { p.ConnectRate = -1 },
		"connect-burst-per-ip": func(p *Policy) { p.ConnectBurst = 1 },
		"compress-not-for":     func(p *Policy) { p.CompressNotFor = []string{"Safari", " "} },
		"handshake-rate":       func(p *Policy) { p.HandshakeRate = 1e9 },
		"handshake-burst":      func(p *Policy) { p.HandshakeRate, p.HandshakeBurst = 1, -1 },
		"message-rate":         func(p *Policy) { p.MessageRate = 1e-9 },
		"message-burst":        func(p *Policy) { p.MessageBurst = 9 },
		"byte-rate":            func(p *Policy) { p.ByteRate = -5 },
		"byte-burst":           func(p *Policy) { p.ByteRate, p.ByteBurst = 1, 100 },
		"jwt-issuer":           func(p *Policy) { p.JWT.Issuer = "x" },
		"jwt-required":         func(p *Policy) { p.JWT.Required = true },
		"jwt-cookie":           func(p *Policy) { p.JWT.Keys = testKeys(t); p.JWT.Cookie = "a b" },
		"jwt-query":            func(p *Policy) { p.JWT.Keys = testKeys(t); p.JWT.Query = "a=b" },
		"jwt-leeway":           func(p *Policy) { p.JWT.Keys = testKeys(t); p.JWT.Leeway = time.Hour },
	} {
		var p Policy
		change(&p)
		if err := s.SetPolicy(p); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.SetPolicy(Policy{CompressNotFor: []string{"*Safari*"}}); err == nil || !strings.Contains(err.Error(), "contains a *") {
		t.Errorf("a pattern in compress-not-for: %v", err)
	}
	c := Defaults()
	c.ProxyProtocol = true
	if err := c.Validate(); !errors.Is(err, errProxyProtocol) {
		t.Errorf("proxy-protocol without trusted-proxies: %v", err)
	}
}
