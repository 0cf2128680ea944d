package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// patience is how long a test waits for what must come: long, since it costs
// time only where something is wrong or the machine is held up.
const patience = 40 * time.Second

// testServer is a server in this process on a free port.
type testServer struct {
	*Server
	t    testing.TB
	url  string
	http *http.Client // of dial; nil is the usual one
}

// startServer runs a server that is stopped, and looked at, at the end of the
// test: no socket, client, name or delivery may be left.
func startServer(t testing.TB, change func(*Config)) *testServer {
	t.Helper()
	return startServerOn(t, &kernel.Linux, change)
}

func startServerOn(t testing.TB, sys *kernel.Calls, change func(*Config)) *testServer {
	t.Helper()
	c := Defaults()
	c.Listen = []string{"127.0.0.1:0"}
	c.Loops = 2
	c.Settle = 5 * time.Millisecond                         // a round trip on loopback takes microseconds
	c.HandshakeTimeout, c.DrainTimeout = patience, patience // a busy machine is slow
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(c, sys)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run() }()
	ts := &testServer{Server: s, t: t, url: "ws://" + s.Addr().String() + "/"}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		ts.checkEmpty()
	})
	eventually(t, "the server to run", s.Ready)
	return ts
}

// idleServer is a server that does not run.
func idleServer(t testing.TB, sys *kernel.Calls) *Server {
	t.Helper()
	c := Defaults()
	c.Listen, c.Loops = []string{"127.0.0.1:0"}, 1
	s, err := newServer(c, sys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.loops.Discard()
		s.listeners[0].Discard()
	})
	return s
}

func (s *testServer) stats() gateway.Stats {
	st, _ := s.Stats(context.Background())
	return st
}

// checkEmpty holds the accounts of a server that has ended.
func (s *testServer) checkEmpty() {
	s.t.Helper()
	st := s.stats()
	if st.Connections != 0 || st.Sockets != 0 || st.UIDs != 0 || st.Groups != 0 || st.QueuedBytes != 0 {
		s.t.Errorf("left behind: %+v", st)
	}
	ended := st.Written
	for _, n := range st.Dropped {
		ended += n
	}
	if st.Matched != ended || st.Queued != 0 {
		s.t.Errorf("matched %d, but written %d and dropped %v", st.Matched, st.Written, st.Dropped)
	}
	select {
	case <-s.loops.WhenEnded():
		if err := s.loops.Leftover(); err != nil {
			s.t.Error(err)
		}
	default:
	}
}

// settle waits until the loops have done what they were at, and what they were asked for.
func (s *testServer) settle() {
	for i := range s.config.Loops {
		done := make(chan struct{})
		if !s.loops.Do(i, func() { close(done) }) {
			continue
		}
		select {
		case <-done:
		case <-s.loops.WhenEnded():
		}
	}
}

// hold has the only loop of a server wait, and returns what lets it go on.
func (s *testServer) hold() (release func()) {
	held, on := make(chan struct{}), make(chan struct{})
	s.loops.Do(0, func() { close(held); <-on })
	<-held
	return sync.OnceFunc(func() { close(on) })
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// testClient is a WebSocket client of a library that is not ours. It keeps all
// it receives.
type testClient struct {
	t    testing.TB
	ws   *websocket.Conn
	id   string
	mu   sync.Mutex
	got  []string
	err  error // how reading ended
	done chan struct{}
}

func (s *testServer) dial() *testClient {
	s.t.Helper()
	return s.dialWith(nil)
}

func (s *testServer) dialWith(options *websocket.DialOptions) *testClient {
	s.t.Helper()
	c, err := s.tryDialWith(options)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *testServer) tryDial() (*testClient, error) { return s.tryDialWith(nil) }

func (s *testServer) tryDialWith(options *websocket.DialOptions) (*testClient, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if options == nil {
		options = &websocket.DialOptions{}
	}
	options.HTTPClient = s.http
	ws, _, err := websocket.Dial(ctx, s.url, options)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1)
	c := &testClient{t: s.t, ws: ws, done: make(chan struct{})}
	if s.config.InitMessage != "" {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		var init struct {
			Type     string `json:"type"`
			ClientID string `json:"client_id"`
		}
		if err := json.Unmarshal(b, &init); err != nil || init.Type != "init" || init.ClientID == "" {
			return nil, fmt.Errorf("init message %q: %v", b, err)
		}
		c.id = init.ClientID
	}
	go c.read()
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	return c, nil
}

func (c *testClient) read() {
	defer close(c.done)
	for {
		_, b, err := c.ws.Read(context.Background())
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			return
		}
		c.got = append(c.got, string(b))
		c.mu.Unlock()
	}
}

func (c *testClient) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// expect waits until the client has received exactly these messages.
func (c *testClient) expect(want ...string) {
	c.t.Helper()
	end := time.Now().Add(patience)
	for len(c.log()) < len(want) && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	if got := c.log(); fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Fatalf("received %.300q, want %.300q", got, want)
	}
}

// expectClose waits for the end of the connection.
func (c *testClient) expectClose(code websocket.StatusCode, reason string) {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Fatal("the connection did not end")
	}
	if got := websocket.CloseStatus(c.err); got != code {
		c.t.Fatalf("closed with %d (%v), want %d", got, c.err, code)
	}
	var e websocket.CloseError
	if asClose(c.err, &e); e.Reason != reason {
		c.t.Fatalf("closed with reason %q, want %q", e.Reason, reason)
	}
}

// expectText reads one text frame.
func (c *rawClient) expectText(want string) {
	c.t.Helper()
	b := codec.AppendFrame(nil, ws.OpText, []byte(want))
	got := make([]byte, len(b))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, b) {
		c.t.Fatalf("%v, %d bytes that begin with %.20q, want %.20q", err, len(got), got, b)
	}
}
