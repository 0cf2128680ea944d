package gatewayworker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// settle is listen.Settle in tests: a round trip on loopback takes microseconds.
const settle = 5 * time.Millisecond

// rig is a server with a front, assembled as in `castgate serve`.
type rig struct {
	t      testing.TB
	front  *Front
	server *server.Server
}

// startRig starts a rig on free ports. Its client ids count from 1.
func startRig(t testing.TB, change func(*Config, *server.Config)) *rig {
	t.Helper()
	return startRigOn(t, &linux, change)
}

func startRigOn(t testing.TB, sys *system, change func(*Config, *server.Config)) *rig {
	t.Helper()
	c, sc := Defaults(), server.Defaults()
	c.Inner, c.WorkerWait = "127.0.0.1:0", 0
	c.SilentTimeout, c.StallTimeout = patience, patience // a busy machine is silent for long
	sc.Listen, sc.InitMessage, sc.Loops = []string{"127.0.0.1:0"}, "", 2
	sc.MaxConns, sc.ReserveFiles, sc.DrainTimeout = 6000, 64, 5*time.Second
	sc.Settle = settle
	sc.PingInterval = 0 // tests compare exactly what clients get, on machines of any speed
	var last atomic.Uint32
	sc.ConnectionIDs = func() uint32 { return last.Add(1) }
	if change != nil {
		change(&c, &sc)
	}
	f, err := newFront(c, sys)
	if err != nil {
		t.Fatal(err)
	}
	f.settle = settle
	sc.PeerAddress, sc.Events = f.Address(), f.Events()
	s, err := server.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- s.Run() }()
	go func() { served <- f.Serve(s, s) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Shutdown(ctx)
		_ = f.Shutdown(ctx)
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
	r := &rig{t: t, front: f, server: s}
	r.await("the rig serves", func() bool { return s.Ready() && f.serving.Load() })
	return r
}

func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
	}
}

// pushed is a browser: it completes a handshake and keeps all bytes that it
// receives.
type pushed struct {
	t    testing.TB
	conn net.Conn

	mu    sync.Mutex
	got   []byte
	ended bool
}

func (r *rig) client() *pushed {
	r.t.Helper()
	c, err := dialClient(r.server.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	c.t = r.t
	r.t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func dialClient(address string) (*pushed, error) {
	conn, in, err := upgrade(address)
	if err != nil {
		return nil, err
	}
	c := &pushed{conn: conn}
	go c.read(in)
	return c, nil
}

// upgrade opens a WebSocket without a client library: only bytes matter.
func upgrade(address string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	_, _ = fmt.Fprintf(conn, "GET /?a=1 HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address)
	b := bufio.NewReader(conn)
	resp, err := http.ReadResponse(b, nil)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, errors.New(resp.Status)
	}
	return conn, b, nil
}

func (c *pushed) read(from io.Reader) {
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		c.mu.Lock()
		c.got = append(c.got, p[:n]...)
		c.ended = c.ended || err != nil
		c.mu.Unlock()
		if err != nil {
			_ = c.conn.Close()
			return
		}
		if n >= 4 && p[n-4] == 0x88 { // the gateway's close frame: the end
			_ = c.conn.Close()
		}
	}
}

// expect takes as many bytes as want has, and compares them in hexadecimal.
func (c *pushed) expect(what, want string) {
	c.t.Helper()
	n := len(want) / 2
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		if len(c.got) >= n || c.ended || time.Now().After(end) {
			got := hex.EncodeToString(c.got[:min(n, len(c.got))])
			c.got = c.got[min(n, len(c.got)):]
			c.mu.Unlock()
			if got != want {
				c.t.Fatalf("%s: a client got %s, want %s", what, got, want)
			}
			return
		}
		c.mu.Unlock()
	}
}

// expectEnd waits for the end of the connection, with nothing before it.
func (c *pushed) expectEnd(what string) {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		ended, got := c.ended, len(c.got)
		c.mu.Unlock()
		switch {
		case got > 0:
			c.t.Fatalf("%s: a client got %d more bytes", what, got)
		case ended:
			return
		case time.Now().After(end):
			c.t.Fatalf("%s: the client was not closed", what)
		}
	}
}

// send sends a masked text frame of less than 126 bytes.
func (c *pushed) send(text string) error {
	b := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	_, err := c.conn.Write(b)
	return err
}

// dial opens an inner connection.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.front.Inner().String())
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// frame makes a frame to a gateway with flag 1.
func frame(command wire.Command, id uint32, ext, body string) []byte {
	return wire.AppendFrame(nil, &wire.Header{Command: command, ConnectionID: id, Flags: wire.FlagPlain}, []byte(ext), []byte(body))
}

// tell sends bytes on a connection of its own and closes it at once, as
// GatewayClient does.
func (r *rig) tell(b []byte) {
	r.t.Helper()
	c, err := net.Dial("tcp", r.front.Inner().String())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := c.Write(b); err != nil {
		r.t.Fatal(err)
	}
	_ = c.Close()
}

// ask sends a query on a connection of its own.
func (r *rig) ask(b []byte) string {
	r.t.Helper()
	c, err := net.Dial("tcp", r.front.Inner().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(b); err != nil {
		r.t.Fatal(err)
	}
	return readReply(r.t, c)
}

func readReply(t testing.TB, c io.Reader) string {
	t.Helper()
	var n [4]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		t.Fatalf("no reply: %v", err)
	}
	value := make([]byte, binary.BigEndian.Uint32(n[:]))
	if _, err := io.ReadFull(c, value); err != nil {
		t.Fatalf("half a reply: %v", err)
	}
	return string(value)
}

// expectClosed waits until the gateway closes an inner connection without an
// answer.
func expectClosed(t testing.TB, what string, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if n > 0 || err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("%s: %d bytes, %v instead of a close", what, n, err)
	}
}

// answers checks that the gateway still answers, and has executed everything
// before.
func (r *rig) answers(secret string) {
	r.t.Helper()
	b := frame(wire.IsOnline, 0, "", "")
	if secret != "" {
		b = append(frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"`+secret+`"}`), b...)
	}
	if got := r.ask(b); got != "i:0;" {
		r.t.Fatalf("IS_ONLINE of nobody: %q", got)
	}
}

// testWorker is a BusinessWorker that keeps its events.
type testWorker struct {
	conn   net.Conn
	events chan event
}

type event struct {
	wire.Header
	ext, body string
}

// worker attaches a worker and waits until it is attached.
func (r *rig) worker(key string) *testWorker {
	r.t.Helper()
	before := r.front.count.attaches.Load()
	w := &testWorker{conn: r.dial(), events: make(chan event, 1<<16)}
	_ = w.conn.SetDeadline(time.Time{})
	if _, err := w.conn.Write(frame(wire.WorkerConnect, 0, "", `{"worker_key":"`+key+`","secret_key":""}`)); err != nil {
		r.t.Fatal(err)
	}
	go w.read()
	r.await("the worker is attached", func() bool { return r.front.count.attaches.Load() > before })
	return w
}

func (w *testWorker) read() {
	defer close(w.events)
	var reader wire.FrameReader
	p := make([]byte, 64<<10)
	for {
		n, err := w.conn.Read(p)
		for in := p[:n]; ; {
			f, rest, ok, ferr := reader.Next(in)
			if ferr != nil || !ok {
				break
			}
			w.events <- event{f.Header, string(f.Ext), string(f.Body)}
			in = rest
		}
		if err != nil {
			return
		}
	}
}

// next waits for an event.
func (w *testWorker) next(t testing.TB) event {
	t.Helper()
	select {
	case e, ok := <-w.events:
		if !ok {
			t.Fatal("the worker's connection has ended")
		}
		return e
	case <-time.After(patience):
		t.Fatal("no event")
	}
	return event{}
}

func tcpAddr(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

func addrPort(a net.Addr) uint16 { return tcpAddr(a).Port() }
