package swarm

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
)

// A correct server passes every check over TLS, in both versions, with and
// without compression.
func TestSecureSwarm(t *testing.T) {
	for name, c := range map[string]struct {
		version  uint16
		compress bool
	}{
		"TLS 1.3": {tls.VersionTLS13, false}, "TLS 1.2": {tls.VersionTLS12, false}, "TLS 1.3, compressed": {tls.VersionTLS13, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, trust := gatewaytest.NewSecure(t)
			trust.MaxVersion = c.version
			const n = 30
			s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 2, InFlight: 7, TLS: trust, Compress: c.compress, Padding: payload.Prices})
			sizes := []int{payload.MinSize, 64, 200, 70_000, 1 << 20} // three of compressMin and more
			for _, size := range sizes {
				b := s.Stream(0).Append(nil, 0, size, clock.Now())
				for _, id := range s.ClientIDs() {
					g.Write(id, b)
				}
				s.Stream(0).Commit(0)
			}
			for _, id := range g.All() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				if err := g.Conn(id).Ping(ctx); err != nil { // waits for the pong
					t.Errorf("%s: %v", id, err)
				}
				cancel()
			}
			delivered(t, s)
			r := s.Report()
			if r.Err() != nil || r.Received != uint64(n*len(sizes)) || r.Pings != n || r.TLSHandshakes != n || r.TLSResumed != 0 {
				t.Errorf("%+v, %v", r, r.Err())
			}
			if want := uint64(3 * n); c.compress && r.Deflated != want || !c.compress && r.Deflated != 0 {
				t.Errorf("%d messages were compressed", r.Deflated)
			}
		})
	}
}

// Connections over wss are cut, come back with their earlier session, close and
// reconnect like any others.
func TestSecureLives(t *testing.T) {
	g, trust := gatewaytest.NewSecure(t)
	const n = 20
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	back := make(chan int, 3*n)
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 2, TLS: trust, Arrived: func(i int, _ string) { back <- i }})
	pushAll(g, s)
	delivered(t, s)
	if err := s.Cut(); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	pushAll(g, s)
	delivered(t, s)
	for range 2 * n {
		<-back
	}
	if left, err := s.Replace(3, 4); err != nil || left != 2 {
		t.Errorf("%d left, %v", left, err)
	}
	if got := []int{<-back, <-back}; !slices.Equal(slices.Sorted(slices.Values(got)), []int{3, 4}) {
		t.Errorf("%v are back", got)
	}
	pushAll(g, s)
	delivered(t, s)
	r := s.Report()
	if r.Err() != nil || r.Open != n || r.Received != 3*n || r.Closes != 2 || r.TLSHandshakes != 2*n+2 || r.TLSResumed < n {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

// A wss reader that has stopped receives nothing until it resumes, and then
// everything.
func TestSecureSlowReader(t *testing.T) {
	g, trust := gatewaytest.NewSecure(t)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 1, ReceiveBuffer: 64 << 10, TLS: trust})
	if err := s.StopReading(0); err != nil {
		t.Fatal(err)
	}
	const pushes = 16
	written := make(chan struct{})
	var all [][]byte
	for range pushes {
		all = append(all, s.Stream(0).Append(nil, 0, 512<<10, clock.Now()))
		s.Stream(0).Commit(0)
	}
	go func() {
		defer close(written)
		gatewaytest.SendAll(g, "client-0", all...)
	}()
	select {
	case <-written:
		t.Error("8 MiB fit into the socket")
	case <-time.After(50 * time.Millisecond):
	}
	if r := s.Report(); r.Received != 0 {
		t.Errorf("%d messages came", r.Received)
	}
	if err := s.ResumeReading(0); err != nil {
		t.Fatal(err)
	}
	<-written
	delivered(t, s)
	if err := s.Report().Err(); err != nil {
		t.Error(err)
	}
}

// secureServer accepts TLS as a test's gateway does, and passes each connection
// to serve after the handshake and the init message.
func secureServer(t *testing.T, wrap func(net.Conn) net.Conn, serve func(*tls.Conn)) (url string, trust *tls.Config) {
	t.Helper()
	g, trust := gatewaytest.NewSecure(t)
	url = gatewaytest.RawServer(t, func(c net.Conn) {
		secured := tls.Server(wrap(c), g.Server.TLS)
		key := gatewaytest.ReadRequest(secured)
		if key == "" {
			return
		}
		gatewaytest.Accept(secured, key)
		_, _ = io.WriteString(secured, gatewaytest.Frame(`{"client_id":"one"}`))
		serve(secured)
	})
	return strings.Replace(url, "ws:", "wss:", 1), trust
}

// drip writes byte by byte.
type drip struct{ net.Conn }

func (d drip) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		_, err = d.Conn.Write(b[n : n+1])
		n++
	}
	return n, err
}

// bundle keeps what is written until it is released, all at once.
type bundle struct {
	net.Conn
	kept []byte
	on   bool
}

func (b *bundle) Write(p []byte) (int, error) {
	if !b.on {
		return b.Conn.Write(p)
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// Records that arrive byte by byte are handled, and so are hundreds that arrive
// at once: none stays inside TLS, where epoll does not see it.
func TestSecureRecords(t *testing.T) {
	const messages = 300
	var all *bundle
	for name, c := range map[string]struct {
		wrap   func(net.Conn) net.Conn
		loose  func()
		number int
	}{
		"byte by byte": {func(c net.Conn) net.Conn { return drip{c} }, func() {}, 10},
		"at once": {func(c net.Conn) net.Conn { all = &bundle{Conn: c}; return all }, func() {
			all.on = false
			_, _ = all.Write(all.kept)
		}, messages},
	} {
		t.Run(name, func(t *testing.T) {
			begin := make(chan *Swarm, 1)
			url, trust := secureServer(t, c.wrap, func(conn *tls.Conn) {
				s := <-begin
				if all != nil {
					all.on = true
				}
				for range c.number {
					text := string(s.Stream(0).Append(nil, 0, 100, clock.Now()))
					s.Stream(0).Commit(0)
					_, _ = io.WriteString(conn, gatewaytest.Frame(text))
				}
				c.loose()
				_, _ = conn.Read(make([]byte, 1))
			})
			s := open(t, Config{URLs: []string{url}, Connections: 1, TLS: trust})
			begin <- s
			for got, _ := s.Delivered(); got < int64(c.number); got, _ = s.Delivered() {
				time.Sleep(time.Millisecond)
			}
			if r := s.Report(); r.Err() != nil || r.Received != uint64(c.number) {
				t.Errorf("%+v, %v", r, r.Err())
			}
		})
	}
}

// The error says what ended a wss connection.
func TestSecureEnds(t *testing.T) {
	for want, end := range map[string]func(c *tls.Conn){
		"closed by the server without a close frame": func(c *tls.Conn) { _ = c.CloseWrite() },
		"closed by the server: 1001 bye":             func(c *tls.Conn) { _, _ = io.WriteString(c, "\x88\x05\x03\xe9bye") },
		"TLS: ":                                      func(c *tls.Conn) { _, _ = io.WriteString(c.NetConn(), "no record at all") },
	} {
		t.Run(want, func(t *testing.T) {
			ending := make(chan struct{})
			url, trust := secureServer(t, func(c net.Conn) net.Conn { return c }, func(c *tls.Conn) {
				<-ending
				end(c)
				_, _ = io.Copy(io.Discard, c)
			})
			s := open(t, Config{URLs: []string{url}, Connections: 1, TLS: trust})
			close(ending)
			for s.Report().Open > 0 {
				time.Sleep(time.Millisecond)
			}
			errtest.Contains(t, s.Report().Err(), "1 of 1 connections were lost", want)
		})
	}
}

// A connection without TLS pays for it only with a pointer.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 48 {
		t.Errorf("a connection takes %d bytes", n)
	}
}
