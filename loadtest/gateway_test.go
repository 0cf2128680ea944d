package loadtest

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// gateway is a push server that is not ours: one goroutine per connection over
// coder/websocket.
type gateway struct {
	t      *testing.T
	url    string
	noInit bool
	server *httptest.Server

	mu       sync.Mutex
	conns    map[string]*websocket.Conn // by client id
	accepted int
	uids     map[string]string   // by client id
	groups   map[string][]string // by client id
	from     map[string][]string // client ids by address
	says     bool                // report at /metrics what it did to slow clients:
	slowness slowness            // that
	gone     sync.WaitGroup
}

// compressMin is the smallest message that it compresses for clients that offer
// that.
const compressMin = 100

// greeting is what a client may send to be welcomed.
const greeting = `{"connect":{}}`

func newGateway(t *testing.T, noInit bool) *gateway {
	return startGateway(t, noInit, func(s *httptest.Server) { s.Start() })
}

// newSecureGateway speaks TLS, and returns what its clients must trust.
func newSecureGateway(t *testing.T) (*gateway, *tls.Config) {
	g := startGateway(t, false, func(s *httptest.Server) { s.StartTLS() })
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(g.server.Certificate())
	return g, trust
}

func startGateway(t *testing.T, noInit bool, start func(*httptest.Server)) *gateway {
	g := &gateway{t: t, noInit: noInit, conns: map[string]*websocket.Conn{}, uids: map[string]string{}, groups: map[string][]string{}, from: map[string][]string{}}
	server := httptest.NewUnstartedServer(g)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // some tests are about failed handshakes
	start(server)
	g.server = server
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
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: compressMin})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	g.mu.Lock()
	id := fmt.Sprintf("client-%d", g.accepted)
	g.accepted++
	g.conns[id] = conn
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	g.from[host] = append(g.from[host], id)
	g.mu.Unlock()
	defer g.forget(id)
	if !g.noInit {
		g.write(id, []byte(`{"type":"init","client_id":"`+id+`"}`))
	}
	for {
		_, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		if string(message) == greeting {
			g.write(id, []byte("welcome"))
		}
	}
}

func (g *gateway) write(id string, b []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Some tests are about clients that have left.
	if conn := g.conn(id); conn != nil {
		_ = conn.Write(ctx, websocket.MessageText, b)
	}
}

func (g *gateway) forget(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, id)
	delete(g.uids, id)
	delete(g.groups, id)
}

// bind returns false for a client that is not connected.
func (g *gateway) bind(id, uid string, groups []string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[id] == nil {
		return false
	}
	g.uids[id], g.groups[id] = uid, groups
	return true
}

// targets lists the clients of a query of /v1/push/raw.
func (g *gateway) targets(q url.Values) []string {
	if q.Get("all") == "1" {
		return g.all()
	}
	if ids := q["client_id"]; ids != nil {
		return ids
	}
	return slices.DeleteFunc(g.all(), func(id string) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return !slices.Contains(q["uid"], g.uids[id]) && !slices.ContainsFunc(q["group"], func(group string) bool { return slices.Contains(g.groups[id], group) })
	})
}

func (g *gateway) conn(id string) *websocket.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns[id]
}

// all lists the client ids, in order.
func (g *gateway) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []string
	for id := range g.conns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// rawServer accepts TCP connections and passes each to serve.
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

// readRequest reads a handshake and returns its key.
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

// delivered waits until everything committed has arrived, however long a busy
// machine takes.
func delivered(t *testing.T, s *Swarm) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.WaitDelivered(ctx); err != nil {
		t.Fatal(err)
	}
}

// accept returns a handshake with this key.
func accept(conn net.Conn, key string) {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
}
