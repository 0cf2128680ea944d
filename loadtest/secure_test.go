package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
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
			g, trust := newSecureGateway(t)
			trust.MaxVersion = c.version
			const n = 30
			s := open(t, Config{URLs: []string{g.url}, Connections: n, Loops: 2, InFlight: 7, TLS: trust, Compress: c.compress, Padding: Prices})
			sizes := []int{MinPayload, 64, 200, 70_000, 1 << 20} // three of compressMin and more
			for _, size := range sizes {
				b := s.Stream(0).Append(nil, 0, size, Now())
				for _, id := range s.ClientIDs() {
					g.write(id, b)
				}
				s.Stream(0).Commit(0)
			}
			for _, id := range g.all() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				if err := g.conn(id).Ping(ctx); err != nil { // waits for the pong
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
	g, trust := newSecureGateway(t)
	const n = 20
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	back := make(chan int, 3*n)
	s := open(t, Config{URLs: []string{g.url}, Connections: n, Loops: 2, TLS: trust, Arrived: func(i int, _ string) { back <- i }})
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
	g, trust := newSecureGateway(t)
	s := open(t, Config{URLs: []string{g.url}, Connections: 1, ReceiveBuffer: 64 << 10, TLS: trust})
	if err := s.StopReading(0); err != nil {
		t.Fatal(err)
	}
	const pushes = 16
	written := make(chan struct{})
	var all [][]byte
	for range pushes {
		all = append(all, s.Stream(0).Append(nil, 0, 512<<10, Now()))
		s.Stream(0).Commit(0)
	}
	go func() {
		defer close(written)
		sendAll(g, "client-0", all...)
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
	g, trust := newSecureGateway(t)
	url = rawServer(t, func(c net.Conn) {
		secured := tls.Server(wrap(c), g.server.TLS)
		key := readRequest(secured)
		if key == "" {
			return
		}
		accept(secured, key)
		_, _ = io.WriteString(secured, frame(`{"client_id":"one"}`))
		serve(secured)
	})
	return strings.Replace(url, "ws:", "wss:", 1), trust
}

// frame is a text message of less than 126 bytes.
func frame(text string) string { return "\x81" + string(rune(len(text))) + text }

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
					text := string(s.Stream(0).Append(nil, 0, 100, Now()))
					s.Stream(0).Commit(0)
					_, _ = io.WriteString(conn, frame(text))
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
			wants(t, s.Report().Err(), "1 of 1 connections were lost", want)
		})
	}
}

// A full socket does not split records: the rest of one goes first, and nothing
// is encrypted before that is sent.
func TestSecureFullSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	s := &secure{fd: pair[0]}
	big := make([]byte, 1<<20)
	_, _ = s.Write(big)
	if err := s.flush(); err != unix.EAGAIN || len(s.out) == 0 || len(s.out) == len(big) {
		t.Fatalf("%d bytes wait, %v", len(s.out), err)
	}
	if err := s.send([]byte("more")); !errors.Is(err, unix.EAGAIN) { // tls, which is nil, is not asked
		t.Errorf("%v", err)
	}
	got := 0
	for buf := make([]byte, 1<<20); got < len(big); {
		n, err := unix.Read(pair[1], buf)
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		got += max(n, 0)
		_ = s.flush()
	}
	if s.out != nil {
		t.Errorf("%d bytes are left", len(s.out))
	}
}

// A connection without TLS pays for it only with a pointer.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 48 {
		t.Errorf("a connection takes %d bytes", n)
	}
}
