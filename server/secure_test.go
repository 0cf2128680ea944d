package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/loop"
	"castgate/server/transport"
)

// startSecure runs a server with a wss listener.
func startSecure(t testing.TB, sys *kernel.Calls, change func(*Config)) *testServer {
	t.Helper()
	pair := wstest.NewAuthority(t).Issue("server")
	s := startServerOn(t, sys, func(c *Config) {
		c.Listen = []string{"wss://127.0.0.1:0"}
		c.TLSCerts, c.TLSKeys = []string{pair.Cert}, []string{pair.Key}
		if change != nil {
			change(c)
		}
	})
	s.url = strings.Replace(s.url, "ws://", "wss://", 1)
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: insecure()}}
	return s
}

// insecure is for clients that trust the test's certificates without a look.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// dialTLS does the TLS handshake only.
func (s *testServer) dialTLS(c *tls.Config) (*tls.Conn, error) {
	conn, err := net.DialTimeout("tcp", s.Addr().String(), patience)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	_ = conn.SetDeadline(time.Now().Add(patience))
	tc := tls.Client(conn, c)
	return tc, tc.Handshake()
}

// dialSecure is dialRaw through TLS.
func (s *testServer) dialSecure(c *tls.Config) *rawClient {
	s.t.Helper()
	conn, err := s.dialTLS(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.upgradeRaw(conn)
}

func TestSecureRoundTrip(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := startSecure(t, &kernel.Linux, func(c *Config) { c.OnMessage = loop.OnMessageEcho; c.MaxMessage = 8 << 20; c.SendQueue = 16 << 20 })
			s.http.Transport.(*http.Transport).TLSClientConfig.MaxVersion = version
			a, b := s.dial(), s.dial()
			want := []string{"one", strings.Repeat("two ", 300_000), "three"}
			for _, text := range want {
				s.push(gateway.Targets{All: true}, text)
			}
			a.expect(want...)
			b.expect(want...)
			large := strings.Repeat("0123456789abcdef", 200_000)
			for _, text := range []string{"", "x", large} {
				if err := a.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
				want = append(want, text)
			}
			a.expect(want...)
			if err := b.ws.Close(1000, "bye"); err != nil {
				t.Errorf("close: %v", err)
			}
			if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{a.id}}, Code: 3001, Reason: "out"}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			a.expectClose(3001, "out")
			eventually(t, "the counters", func() bool {
				st := s.stats()
				return st.TLSHandshakes["full"] == 2 && st.Closes["peer_closed"] == 1 && st.Closes["kicked"] == 1
			})
		})
	}
}

// A closing server says close_notify behind its close frame.
func TestSecureCloseNotify(t *testing.T) {
	s := startSecure(t, &kernel.Linux, nil)
	c := s.dialSecure(insecure())
	if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}, Code: 3002}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	b, err := io.ReadAll(c) // any other end than close_notify is ErrUnexpectedEOF
	if err != nil || len(b) != 4 {
		t.Errorf("%x, %v", b, err)
	}
}

func TestSecureResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := startSecure(t, &kernel.Linux, nil)
		config := insecure()
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		config.ServerName = "localhost"
		for i := range 3 {
			c := s.dialSecure(config)
			if got := c.Conn.(*tls.Conn).ConnectionState().DidResume; got != (i > 0) {
				t.Errorf("connection %d resumed: %v", i, got)
			}
			if i == 1 {
				if _, err := s.SetCertificates(s.config.TLSCerts, s.config.TLSKeys); err != nil {
					t.Error(err)
				}
			}
			_ = c.Close()
		}
		if st := s.stats(); st.TLSHandshakes["full"] != 1 || st.TLSHandshakes["resumed"] != 2 {
			t.Errorf("%v", st.TLSHandshakes)
		}
	}
}

func TestSecureVersionsAndALPN(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.TLSMinVersion = "1.3" })
	old := insecure()
	old.MaxVersion = tls.VersionTLS12
	if _, err := s.dialTLS(old); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
	alpn := insecure()
	alpn.NextProtos = []string{"h2", "http/1.1"}
	c, err := s.dialTLS(alpn)
	if err != nil || c.ConnectionState().NegotiatedProtocol != "http/1.1" {
		t.Error(err)
	}
	eventually(t, "the counters", func() bool {
		st := s.stats()
		return st.TLSHandshakes["failed"] == 1 && st.TLSHandshakes["full"] == 1 && st.Handshakes["no_tls"] == 1
	})
}

// What is no ClientHello is refused at once, with a counter.
func TestSecureGarbage(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.HandshakeTimeout = time.Minute })
	fine := s.dial()
	alert := string(transport.Refused)
	for _, test := range []struct{ name, send, answer, counter string }{
		{"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", string(transport.SpeaksTLS), "plaintext"},
		{"bytes", "\x00\x01\x02\x03", alert, "garbage"},
		{"sslv2", "\x80\x2e\x01\x00\x02", alert, "garbage"},
		{"empty record", "\x16\x03\x01\x00\x00", alert, "garbage"},
		{"huge record", "\x16\x03\x01\xff\xff", alert, "garbage"},
		{"not a hello", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", alert, "garbage"},
		{"an endless hello", "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00", alert, "garbage"},
		{"no hello in one", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "", "failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := s.stats().TLSHandshakes[test.counter]
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := conn.Write([]byte(test.send)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(conn)
			if err != nil || test.answer != "" && string(b) != test.answer || len(b) == 0 {
				t.Errorf("answered %q, %v", b, err)
			}
			if got := s.stats().TLSHandshakes[test.counter]; got != before+1 {
				t.Errorf("counter %s: %d after %d", test.counter, got, before)
			}
		})
	}
	s.push(gateway.Targets{All: true}, "still served")
	fine.expect("still served")
}

// A stream that is damaged after the handshake closes that client only, with
// an alert.
func TestSecureBrokenStream(t *testing.T) {
	s := startSecure(t, &kernel.Linux, nil)
	fine := s.dial()
	for _, damage := range []string{
		"\x17\x03\x03\x00\x20" + strings.Repeat("x", 32),  // a record of another key
		"\x17\x03\x03\xff\xff",                            // too long
		"GET / HTTP/1.1\r\n",                              // no record
		"\x16\x03\x03\x00\x04\x00\x00\x00\x00",            // a handshake message in the clear
		strings.Repeat("\x17\x03\x03\x00\x00", 40) + "\n", // empty records
	} {
		c := s.dialSecure(insecure())
		if _, err := c.Conn.(*tls.Conn).NetConn().Write([]byte(damage)); err != nil {
			t.Fatal(err)
		}
		var alert *net.OpError
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &alert) {
			t.Errorf("after %.8q: %v, not an alert", damage, err)
		}
	}
	eventually(t, "the counters", func() bool { return s.stats().Closes["tls"] == 5 })
	s.push(gateway.Targets{All: true}, "fine")
	fine.expect("fine")
}

// A reader that is too slow for what is pushed to it is closed with 1008, and
// every frame is in one counter.
func TestSecureSlowClient(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.SendQueue = 64 << 10 })
	slow, fine := s.dialSecure(insecure()), s.dial()
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
	if int(st.Written) != len(messages)+1 {
		t.Errorf("written %d, received %d", st.Written, len(messages)+1)
	}
}

// Short writes and full sockets change nothing of what a client reads, pings
// between frames included.
func TestSecureShortWrites(t *testing.T) {
	f := newFaulty()
	s := startSecure(t, &f.Calls, func(c *Config) { c.OnMessage = loop.OnMessageEcho; c.SendQueue = 64 << 20 })
	a, b := s.dial(), s.dial()
	f.short.Store(true)
	var want []string
	for i := range 200 {
		text := strings.Repeat("m", i*37)
		want = append(want, text)
		to := gateway.Targets{All: true}
		if i%3 == 0 {
			to = gateway.Targets{ClientIDs: []string{a.id, b.id}}
		}
		s.push(to, text)
		if i%20 == 0 {
			if err := a.ws.Ping(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.expect(want...)
	b.expect(want...)
	c := s.dial() // the handshake, too
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, "late")
	c.expect("late")
	f.short.Store(false)
}

func TestSecureWriteErrors(t *testing.T) {
	f := newFaulty()
	s := startSecure(t, &f.Calls, func(c *Config) { c.PingInterval = 0 })
	for _, errno := range []unix.Errno{unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT} {
		c, other := s.dial(), s.dial()
		f.writeE.Store(int64(errno))
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "lost")
		<-c.done
		s.push(gateway.Targets{ClientIDs: []string{other.id}}, "fine")
		other.expect("fine")
	}
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.EINTR} {
		c := s.dial()
		f.writeE.Store(int64(errno))
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "late")
		c.expect("late")
	}
	// A client may have read a message before the loop has counted it.
	eventually(t, "the counts", func() bool {
		st := s.stats()
		return st.Dropped["closed"] == 3 && st.Written == 7 && st.Closes["peer_gone"] == 3
	})
}

// A trusted proxy's header comes before TLS, in the same segment or not.
func TestSecureBehindProxy(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) {
		c.ProxyProtocol = true
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for _, together := range []bool{false, true} {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(patience))
		header := []byte("PROXY TCP4 192.0.2.7 127.0.0.1 4000 443\r\n")
		through := net.Conn(&prefixed{Conn: conn, first: header})
		if !together {
			if _, err := conn.Write(header); err != nil {
				t.Fatal(err)
			}
			through = conn
		}
		c := s.upgradeRaw(tls.Client(through, insecure()))
		info, err := s.Client(ctx, c.id)
		if err != nil || !strings.HasPrefix(info.RemoteAddr, "192.0.2.7") {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

// prefixed writes some bytes in front of the first write.
type prefixed struct {
	net.Conn
	first []byte
}

func (c *prefixed) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(append(c.first, p...))
	n = max(n-len(c.first), 0)
	c.first = nil
	return n, err
}

// Who is one too many gets an alert instead of a handshake.
func TestSecureTurnedAway(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.MaxConns = 1 })
	there := s.dial()
	conn, err := s.dialTLS(insecure())
	var alert *net.OpError
	if !errors.As(err, &alert) || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("%v", err)
	}
	_ = conn.NetConn().Close()
	eventually(t, "the counter", func() bool { return s.stats().Handshakes["busy"] == 1 })
	s.push(gateway.Targets{All: true}, "still here")
	there.expect("still here")
}
