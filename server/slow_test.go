package server

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
)

// rawClient is a socket after its handshake that reads only when told to.
type rawClient struct {
	net.Conn
	t  testing.TB
	id string
}

// dialRaw does the handshake by hand. The receive buffer is small, so that
// what is not read soon waits on the server.
func (s *testServer) dialRaw() *rawClient {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	return s.upgradeRaw(conn)
}

// upgradeRaw is the rest of dialRaw.
func (s *testServer) upgradeRaw(conn net.Conn) *rawClient {
	s.t.Helper()
	var key [24]byte
	copy(key[:], "MDEyMzQ1Njc4OWFiY2RlZg==")
	if _, err := conn.Write(codec.AppendRequest(nil, "localhost", "/", key, "")); err != nil {
		s.t.Fatal(err)
	}
	want := len(`{"type":"init","client_id":""}`) + clientid.Len + 2
	b := make([]byte, 0, 1024)
	end := -1
	for end < 0 || len(b) < end+want {
		n, err := conn.Read(b[len(b):cap(b)])
		if err != nil {
			s.t.Fatalf("handshake: %v after %q", err, b)
		}
		b = b[:len(b)+n]
		end = codec.HandshakeEnd(b, 0)
	}
	id := strings.TrimSuffix(strings.TrimPrefix(string(b[end+2:]), `{"type":"init","client_id":"`), `"}`)
	return &rawClient{Conn: conn, t: s.t, id: id}
}

// drain reads to the end and returns the payloads and the close code.
func (c *rawClient) drain() (messages []string, code uint16, reason string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c)
	p := codec.Parser{Client: true}
	for len(b) > 0 {
		n, ev, perr := p.Next(b, 1<<30)
		if perr != nil {
			c.t.Fatalf("server's bytes: %v", perr)
		}
		b = b[n:]
		switch {
		case ev.Kind == codec.EventClose:
			return messages, uint16(ev.Code), string(ev.Reason)
		case ev.Kind == codec.EventData && ev.First:
			messages = append(messages, string(ev.Data))
		case ev.Kind == codec.EventData:
			messages[len(messages)-1] += string(ev.Data)
		}
	}
	c.t.Logf("no close frame; reading ended with %v", err)
	return messages, 0, ""
}

// fill pushes to one client until the kernel takes no more and the limit
// bites; it returns how many pushes that were.
func fill(s *testServer, to gateway.Targets, payload string, enough func(gateway.Stats) bool) (pushes int) {
	s.t.Helper()
	for pushes = 0; !enough(s.stats()); pushes++ {
		if pushes > 20_000 {
			s.t.Fatalf("the limit never bit: %+v", s.stats())
		}
		s.push(to, payload)
		if pushes%16 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return pushes
}

func TestSlowClientIsClosed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.SendQueue = 64 << 10 })
	slow, fine := s.dialRaw(), s.dial()
	payload := strings.Repeat("x", 8<<10)
	fill(s, gateway.Targets{ClientIDs: []string{slow.id}}, payload, func(st gateway.Stats) bool { return st.Connections == 1 })
	messages, code, reason := slow.drain()
	if code != 1008 || reason != "slow consumer" {
		t.Errorf("closed with %d %q", code, reason)
	}
	for i, m := range messages {
		if m != payload {
			t.Fatalf("message %d of %d is damaged: %d bytes", i, len(messages), len(m))
		}
	}
	s.push(gateway.Targets{All: true}, "still served")
	fine.expect("still served")
	_ = slow.Close()
	eventually(t, "the slow client to be gone", func() bool { return s.stats().Sockets == 1 })
	st := s.stats()
	if st.Dropped["slow"] == 0 || st.Closes["slow"] != 1 || st.Matched != st.Written+st.Dropped["slow"]+st.Dropped["closed"] {
		t.Errorf("%+v", st)
	}
	// All that was written has arrived, all else is in a counter.
	if int(st.Written) != len(messages)+1 {
		t.Errorf("written %d, received %d", st.Written, len(messages)+1)
	}
}

func TestSlowClientDrops(t *testing.T) {
	s := startServer(t, func(c *Config) { c.SendQueue = 64 << 10; c.SlowPolicy = capacity.SlowDrop })
	slow := s.dialRaw()
	pushes := fill(s, gateway.Targets{ClientIDs: []string{slow.id}}, strings.Repeat("y", 8<<10),
		func(st gateway.Stats) bool { return st.Dropped["slow"] >= 10 })
	eventually(t, "the pushes to be taken up", func() bool {
		st := s.stats()
		return st.Queued <= 9 // 64 KiB of 8 KiB messages and the one above
	})
	if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{slow.id}}, Code: 3001, Text: "last"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	messages, code, _ := slow.drain()
	if code != 3001 || messages[len(messages)-1] != "last" {
		t.Errorf("control frames did not get through: %d, last message %.20q", code, messages[len(messages)-1])
	}
	st := s.stats()
	if got := int(st.Written); got != len(messages)-1 || got+int(st.Dropped["slow"]) != pushes {
		t.Errorf("pushed %d, received %d, %+v", pushes, len(messages)-1, st)
	}
}

// One large message to an idle client passes whole, whatever the limit.
func TestLargeMessagePasses(t *testing.T) {
	s := startServer(t, func(c *Config) { c.SendQueue = 1 << 10 })
	slow := s.dialRaw()
	large := strings.Repeat("z", 8<<20)
	s.push(gateway.Targets{ClientIDs: []string{slow.id}}, large)
	go func() {
		time.Sleep(50 * time.Millisecond)
		_, _ = s.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}})
	}()
	messages, code, _ := slow.drain()
	if len(messages) != 1 || messages[0] != large || code != 1000 {
		t.Errorf("received %d messages, code %d", len(messages), code)
	}
}

// A flood of pings from a client that does not read holds one pong.
func TestPingFloodIsBounded(t *testing.T) {
	s := startServer(t, nil)
	c := s.dialRaw()
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, strings.Repeat("x", 32<<20))
	eventually(t, "the socket to be full", func() bool {
		n := s.stats().QueuedBytes
		time.Sleep(20 * time.Millisecond)
		return n > 0 && n == s.stats().QueuedBytes
	})
	ping := codec.AppendMaskedFrame(nil, ws.OpPing, bytes.Repeat([]byte("p"), 125), [4]byte{1, 2, 3, 4})
	before := s.stats().QueuedBytes
	for range 2000 {
		if _, err := c.Write(ping); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.Client(ctx, c.id)
	eventually(t, "the pings to be read", func() bool { return s.stats().BytesIn > uint64(2000*len(ping)) })
	if after := s.stats().QueuedBytes; err != nil || after > before+2*127 {
		t.Errorf("%d bytes waited before the pings, %d after (%+v)", before, after, info)
	}
}
