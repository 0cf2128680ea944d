package server

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// silentHello is a connection that has sent a ClientHello and says no more.
func (s *testServer) silentHello() net.Conn {
	s.t.Helper()
	return s.silentHelloWith(insecure())
}

func (s *testServer) silentHelloWith(c *tls.Config) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := tls.Client(deafConn{conn}, c).Handshake(); err != errDeaf {
		s.t.Fatal(err)
	}
	return conn
}

// deafConn reads nothing.
type deafConn struct{ net.Conn }

const errDeaf = deafError("deaf")

type deafError string

func (e deafError) Error() string { return string(e) }

func (deafConn) Read([]byte) (int, error) { return 0, errDeaf }

// occupy lets silent peers have all handshakes.
func (s *testServer) occupy(n int) (occupants []net.Conn) {
	s.t.Helper()
	for range n {
		occupants = append(occupants, s.silentHello())
	}
	s.occupied(n)
	return occupants
}

// occupied waits until n handshakes are under way.
func (s *testServer) occupied(n int) {
	s.t.Helper()
	eventually(s.t, "the handshakes to be under way", func() bool {
		active, _ := s.tlsPool.Count()
		return active == n
	})
}

// Peers that keep others waiting give way to them, without anybody coming
// after those.
func TestSlowHandshakes(t *testing.T) {
	t.Parallel()
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.TLSHandshakes = 4; c.HandshakeTimeout = 20 * time.Second })
	s.occupy(4)
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			c, err := s.tryDial()
			if err != nil {
				t.Errorf("kept out: %v", err)
				return
			}
			_ = c.ws.CloseNow()
		})
	}
	waiting.Wait()
	if n := s.stats().TLSHandshakes["evicted"]; n == 0 || n > 4 {
		t.Errorf("%d evicted", n)
	}
}

// A byte now and then does not make a peer one that is waited for.
func TestDribblingHandshakes(t *testing.T) {
	t.Parallel()
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.TLSHandshakes = 2; c.HandshakeTimeout = 20 * time.Second })
	over := make(chan struct{})
	var dribbling sync.WaitGroup
	for _, conn := range s.occupy(2) {
		dribbling.Go(func() {
			record := append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 0x4000)...)
			for i := range record {
				if _, err := conn.Write(record[i : i+1]); err != nil {
					return
				}
				select {
				case <-over:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	s.dial()
	close(over)
	dribbling.Wait()
	if n := s.stats().TLSHandshakes["evicted"]; n == 0 {
		t.Error("nobody was evicted")
	}
}

func TestTLSProcessors(t *testing.T) {
	for _, test := range []struct {
		listen      []string
		loops, want int
	}{{[]string{":1"}, 8, 0}, {[]string{":1", "wss://:2"}, 1, 1}, {[]string{"wss://:2"}, 2, 1}, {[]string{"wss://:2"}, 8, 4}} {
		c := Config{Listen: test.listen, Loops: test.loops}
		if got := c.TLSProcessors(); got != test.want {
			t.Errorf("%v, %d loops: %d, want %d", test.listen, test.loops, got, test.want)
		}
	}
}

func TestHandshakeDeadline(t *testing.T) {
	sys := kernel.Linux
	clock := stopClock(t, &sys)
	s := startSecure(t, &sys, func(c *Config) { c.HandshakeTimeout = 2 * kernel.Tick })
	silent, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	hello := s.silentHello()
	done, err := s.dialTLS(insecure()) // TLS, but no request
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the handshakes", func() bool { st := s.stats(); return st.Sockets == 3 && st.TLSHandshakes["full"] == 1 })
	clock.pass(s, 4)
	for _, conn := range []net.Conn{silent, hello, done} {
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%T: %v", conn, err)
		}
	}
	_ = done.Close()
	eventually(t, "the counters", func() bool {
		st := s.stats()
		return st.Handshakes["timeout"] == 3 && st.TLSHandshakes["gone"] == 2 && st.TLSHandshakes["full"] == 1 && st.Sockets == 0
	})
}

// A flood of handshakes, half of them broken off, leaves no goroutine and
// every socket in a counter; clients who are there are served meanwhile.
func TestHandshakeFlood(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.TLSHandshakes = 3; c.SendQueue = 1 << 20 })
	there := s.dial()
	var flood sync.WaitGroup
	for i := range 8 {
		flood.Go(func() {
			for n := range 20 {
				conn, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(patience))
				if (i+n)%2 == 0 {
					_ = tls.Client(deafConn{conn}, insecure()).Handshake()
				} else {
					_ = tls.Client(conn, insecure()).Handshake()
				}
				_ = conn.Close()
			}
		})
	}
	var want []string
	for range 50 {
		want = append(want, "meanwhile")
		s.push(gateway.Targets{ClientIDs: []string{there.id}}, "meanwhile")
	}
	there.expect(want...)
	flood.Wait()
	eventually(t, "the flood to be over", func() bool {
		active, waiting := s.tlsPool.Count()
		return s.stats().Sockets == 1 && active == 0 && waiting == 0
	})
	st := s.stats()
	ended := uint64(0)
	for _, n := range st.TLSHandshakes {
		ended += n
	}
	if ended != st.Accepted || st.Panics != 0 {
		t.Errorf("%d accepted, %d ended: %v", st.Accepted, ended, st.TLSHandshakes)
	}
}

// A message of a handshake that does not end is refused, and counted.
func TestEndlessHandshake(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) { c.HandshakeTimeout = time.Minute })
	config := insecure()
	config.MaxVersion = tls.VersionTLS12 // its messages are in the clear
	conn := s.silentHelloWith(config)
	message := append([]byte{22, 3, 3, 4, 0, 11, 4, 0, 0}, make([]byte, 1020)...) // a Certificate of 256 KiB
	for range 256 {
		if _, err := conn.Write(message); err != nil {
			break
		}
		message = append([]byte{22, 3, 3, 4, 0}, make([]byte, 1024)...)
	}
	eventually(t, "the counters", func() bool {
		st := s.stats()
		return st.TLSHandshakes["too_large"] == 1 && st.Handshakes["no_tls"] == 1
	})
}

func TestWrongCertificateStopsTheStart(t *testing.T) {
	a := wstest.NewAuthority(t)
	cert, key := a.Issue("a").Cert, a.Issue("b").Key
	for _, pair := range []wstest.Pair{{Cert: cert, Key: key}, {Cert: cert, Key: "/nowhere"}, {Cert: "/dev/null", Key: key}} {
		c := Defaults()
		c.Listen, c.TLSCerts, c.TLSKeys = []string{"wss://127.0.0.1:0"}, []string{pair.Cert}, []string{pair.Key}
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "tls-cert: ") {
			t.Errorf("%v: %v", pair, err)
		}
	}
}
