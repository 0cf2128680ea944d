package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// gateway is a push server that is not ours: a goroutine per connection over
// coder/websocket.
type gateway struct {
	t      *testing.T
	url    string
	noInit bool

	mu    sync.Mutex
	conns map[string]*websocket.Conn // by client id
	gone  sync.WaitGroup
}

func newGateway(t *testing.T, noInit bool) *gateway {
	g := &gateway{t: t, noInit: noInit, conns: map[string]*websocket.Conn{}}
	server := httptest.NewServer(g)
	g.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/push?x=1"
	t.Cleanup(func() {
		server.Close()
		g.gone.Wait()
	})
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.gone.Add(1)
	defer g.gone.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	g.mu.Lock()
	id := fmt.Sprintf("client-%d", len(g.conns))
	g.conns[id] = conn
	g.mu.Unlock()
	if !g.noInit {
		g.write(id, []byte(`{"type":"init","client_id":"`+id+`"}`))
	}
	for {
		if _, _, err := conn.Read(context.Background()); err != nil {
			return
		}
	}
}

func (g *gateway) write(id string, b []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// A client that has gone is what some tests are about.
	_ = g.conn(id).Write(ctx, websocket.MessageText, b)
}

func (g *gateway) conn(id string) *websocket.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns[id]
}

// all lists the client ids.
func (g *gateway) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []string
	for id := range g.conns {
		ids = append(ids, id)
	}
	return ids
}

// rawServer accepts TCP connections and hands each to serve.
func rawServer(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return "ws://" + l.Addr().String() + "/"
}

// readRequest reads a handshake and answers its key.
func readRequest(conn net.Conn) (key string) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return ""
	}
	return req.Header.Get("Sec-WebSocket-Key")
}

// open opens a swarm that is closed when the test ends.
func open(t *testing.T, c Config) *Swarm {
	t.Helper()
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// delivered waits until everything committed has come, as long as it takes a
// busy machine.
func delivered(t *testing.T, s *Swarm) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
}
