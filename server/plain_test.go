package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/gateway"
	"castgate/server/heartbeat"
	"castgate/server/kernel"
	"castgate/server/loop"
	"castgate/server/token"
	"castgate/server/token/tokentest"
)

// plainClient is a socket to a text, frame or tcp listener.
type plainClient struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// dialPlain connects to listener i.
func (s *testServer) dialPlain(i int) *plainClient {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addrs()[i].String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &plainClient{conn, s.t, bufio.NewReader(conn)}
}

func (c *plainClient) say(b string) {
	c.t.Helper()
	if _, err := io.WriteString(c, b); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads exactly these bytes.
func (c *plainClient) expect(want string) {
	c.t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c.r, b); err != nil || string(b) != want {
		c.t.Fatalf("received %q, %v, want %q", b[:n], err, want)
	}
}

// expectEnd reads to the end of the stream, where nothing more is to come.
func (c *plainClient) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.t.Fatalf("at the end %q, %v", b, err)
	}
}

// startPlain runs a server with a listener of each scheme, ws first.
func startPlain(t testing.TB, change func(*Config)) (*testServer, *eventLog) {
	return startPlainOn(t, &kernel.Linux, change)
}

func startPlainOn(t testing.TB, sys *kernel.Calls, change func(*Config)) (*testServer, *eventLog) {
	return startPeerOn(t, sys, func(c *Config) {
		c.Listen = []string{"127.0.0.1:0", "text://127.0.0.1:0", "frame://127.0.0.1:0", "tcp://127.0.0.1:0"}
		c.InitMessage = ""
		if change != nil {
			change(c)
		}
	})
}

func counted(s string) string { return string(codec.AppendCounted(nil, []byte(s))) }

// One push reaches clients of every kind, each in its framing, and so does a
// kick's text; the kick closes after it.
func TestPlainOutbound(t *testing.T) {
	s, log := startPlain(t, nil)
	ctx := context.Background()
	web := s.dialRawSilent()
	eventually(t, "the client", func() bool { return s.stats().Connections == 1 })
	var clients []*plainClient
	for i := 1; i < 4; i++ {
		clients = append(clients, s.dialPlain(i))
		eventually(t, "the client", func() bool { return len(log.of(uint32(i+1))) == 1 })
	}
	all := gateway.Targets{All: true}
	push := func(p gateway.Push) {
		t.Helper()
		p.To, p.Wait = all, true
		if r, err := s.Push(ctx, p); err != nil || r.Written != 4 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	push(gateway.Push{Payload: []byte("hello")})
	push(gateway.Push{Payload: []byte("\xff\n"), Binary: true})
	push(gateway.Push{})
	if err := s.Send(ctx, all, gateway.Message{Payload: []byte("\x81\x01r"), Raw: true}); err != nil {
		t.Fatal(err)
	}
	page, err := s.Clients(ctx, gateway.List{})
	if err != nil || len(page.Rows) != 4 {
		t.Fatal(page, err)
	}
	for _, c := range page.Rows {
		if found, err := s.Dismiss(ctx, c.ClientID, gateway.Message{}); !found || err != nil {
			t.Fatal(found, err)
		}
	}
	for i, want := range []string{"hello\n\xff\n\n\n\x81\x01r\n", counted("hello") + counted("\xff\n") + counted("") + "\x81\x01r" + counted(""), "hello\xff\n\x81\x01r"} {
		clients[i].expect(want)
		clients[i].expectEnd()
		_ = clients[i].Close()
	}
	web.expect("\x81\x05hello\x82\x02\xff\n\x81\x00\x81\x01r\x81\x00\x88\x02\x03\xe8")
	web.expectEnd()
	_ = web.Close()
	eventually(t, "the end", func() bool { return s.stats().Sockets == 0 })
	for id := range uint32(4) {
		if got := log.of(id + 1); !slices.Equal(got, []string{"open|", "close|"}) {
			t.Errorf("client %d: told %q", id+1, got)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for i := 1; i < 4; i++ {
		last := log.last[uint32(i+1)]
		if s.Addrs()[i].String() != fmt.Sprintf("127.0.0.1:%d", last.LocalPort) || log.heads[uint32(i+1)] != "" {
			t.Errorf("%+v", last)
		}
	}
}

// dialRawSilent does a WebSocket handshake where no init message comes.
func (s *testServer) dialRawSilent() *plainClient {
	s.t.Helper()
	c := s.dialPlain(0)
	var key [24]byte
	copy(key[:], "MDEyMzQ1Njc4OWFiY2RlZg==")
	c.say(string(codec.AppendRequest(nil, "localhost", "/", key, "")))
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = c.r.ReadString('\n'); err != nil {
			s.t.Fatal(err)
		}
	}
	return c
}

func TestPlainInbound(t *testing.T) {
	s, log := startPlain(t, func(c *Config) { c.MaxMessage = 100; c.OnMessage = loop.OnMessageEcho })
	long := strings.Repeat("x", 100)
	for i, row := range []struct {
		say  []string // each after the answer to the last
		want []string // messages
		echo string
	}{
		{[]string{"a\r\n b \n\n", "par", "t\r", "\n" + long, "\n"}, []string{"a", " b ", "", "part", long}, "a\n b \n\npart\n" + long + "\n"},
		{[]string{counted("a") + counted("") + "\x00\x00", "\x00\x07in", "n" + counted(long)}, []string{"a", "", "inn", long}, counted("a") + counted("") + counted("inn") + counted(long)},
		{[]string{"abc"}, []string{"abc"}, "abc"},
	} {
		c := s.dialPlain(i + 1)
		for _, part := range row.say {
			c.say(part)
			time.Sleep(5 * time.Millisecond) // so that parts come apart, as a rule
		}
		c.expect(row.echo)
		_ = c.Close()
		id := uint32(i + 1)
		eventually(t, "the close", func() bool { l := log.of(id); return len(l) == len(row.want)+2 })
		want := []string{"open|"}
		for _, m := range row.want {
			want = append(want, "message false "+m+"|")
		}
		if got := log.of(id); !slices.Equal(got, append(want, "close|")) {
			t.Errorf("listener %d: told %q", i+1, got)
		}
	}
}

// What breaks a framing or a limit ends that client, with the reason counted.
func TestPlainBadInput(t *testing.T) {
	s, _ := startPlain(t, func(c *Config) { c.MaxMessage = 100 })
	long := strings.Repeat("x", 101)
	for i, row := range []struct {
		listener int
		say      string
		reason   string
	}{
		{1, long, "too_big"}, {1, "a\n" + long + "\n", "too_big"},
		{2, "\x00\x00\x00\x03", "protocol"}, {2, "\x00\x00\x00\x69", "too_big"}, {2, "\xff\xff\xff\xff", "too_big"},
	} {
		before := s.stats().Closes[row.reason]
		c := s.dialPlain(row.listener)
		c.say(row.say)
		c.expectEnd()
		_ = c.Close()
		eventually(t, "the count", func() bool { return s.stats().Closes[row.reason] == before+1 })
		if n := s.stats().Connections; n != 0 {
			t.Errorf("row %d: %d clients", i, n)
		}
	}
}

// Plain clients are told their ids, are not pinged, and are cut off by the
// heartbeat of GatewayWorker.
func TestPlainLife(t *testing.T) {
	sys := kernel.Linux
	clock := stopClock(t, &sys)
	s, log := startPlainOn(t, &sys, func(c *Config) {
		c.InitMessage = "id %s"
		c.PingInterval, c.PingTimeout = 300*time.Millisecond, 300*time.Millisecond
		c.Heartbeat = heartbeat.Settings{Interval: time.Second, Limit: 2, Data: "beat"}
	})
	var clients []*plainClient
	for i := range uint32(3) {
		clients = append(clients, s.dialPlain(int(i+1)))
		eventually(t, "the client", func() bool { return len(log.of(i+1)) == 1 })
	}
	clock.eventually(s, "all of them to be cut off", func() bool { return s.stats().Closes["heartbeat"] == 3 })
	for i, want := range []string{"id 7f000001326e00000001\nbeat\nbeat\n", counted("id 7f000001326e00000002") + counted("beat") + counted("beat"), "id 7f000001326e00000003beatbeat"} {
		clients[i].expect(want)
		clients[i].expectEnd()
	}
}

func TestPlainTurnedAway(t *testing.T) {
	s, _ := startPlain(t, func(c *Config) { c.MaxConns = 1 })
	first := s.dialPlain(1)
	eventually(t, "the client", func() bool { return s.stats().Connections == 1 })
	second := s.dialPlain(1)
	if b, _ := io.ReadAll(second.r); len(b) > 0 {
		t.Errorf("turned away with %q", b)
	}
	if n := s.stats().Handshakes["busy"]; n != 1 {
		t.Errorf("%v", s.stats().Handshakes)
	}
	_ = first.Close()
}

// Plain clients are held to the rules of who may connect and how much they
// may send, and may come through a proxy that says for whom.
func TestPlainAdmission(t *testing.T) {
	tokens, _ := startPlain(t, func(c *Config) { c.JWT = admission.JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}, Required: true} })
	c := tokens.dialPlain(1)
	c.expectEnd() // it can't bring one
	eventually(t, "the refusal", func() bool { return tokens.stats().Handshakes["token_missing"] == 1 })

	metered, _ := startPlain(t, func(c *Config) { c.MessageRate, c.MessageBurst = 0.001, 2 })
	c = metered.dialPlain(1)
	c.say("a\nb\nc\n")
	c.expectEnd()
	_ = c.Close()
	eventually(t, "the count", func() bool { return metered.stats().Closes["message_rate"] == 1 })

	proxied, log := startPlain(t, func(c *Config) {
		c.TrustedProxies, c.ProxyProtocol, c.OnMessage = trusting("127.0.0.0/8"), true, loop.OnMessageEcho
	})
	c = proxied.dialPlain(2)
	c.say("PROXY TCP4 192.0.2.7 192.0.2.1 5678 80\r\n" + counted("behind it"))
	c.expect(counted("behind it"))
	log.mu.Lock()
	if got := log.last[1].Remote.String(); got != "192.0.2.7:5678" {
		t.Errorf("told of %s", got)
	}
	log.mu.Unlock()
	bad := proxied.dialPlain(2)
	bad.say("hello, no header at all\r\n")
	bad.expectEnd()
	eventually(t, "the refusal", func() bool { return proxied.stats().Handshakes["proxy_header"] == 1 })
}
