// Package gatewaytest is a push server for tests, over a WebSocket library that is not
// ours.
package gatewaytest

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

func SendAll(g *Gateway, id string, all ...[]byte) int {
	for _, b := range all {
		g.Write(id, b)
	}
	return len(all)
}

// Gateway is a push server that is not ours: one goroutine per connection over
// coder/websocket.
type Gateway struct {
	t      *testing.T
	URL    string
	noInit bool
	Server *httptest.Server

	Mu                      sync.Mutex
	Conns                   map[string]*websocket.Conn // by client id
	accepted                int
	UIDs                    map[string]string   // by client id
	Groups                  map[string][]string // by client id
	From                    map[string][]string // client ids by address
	Says                    bool                // report at /metrics what it did to slow clients
	SlowClosed, SlowDropped int
	gone                    sync.WaitGroup
}

// CompressMin is the smallest message that it compresses for clients that offer
// that.
const CompressMin = 100

// Greeting is what a client may send to be welcomed.
const Greeting = `{"connect":{}}`

func New(t *testing.T, noInit bool) *Gateway {
	return startGateway(t, noInit, func(s *httptest.Server) { s.Start() })
}

// NewSecure speaks TLS, and returns what its clients must trust.
func NewSecure(t *testing.T) (*Gateway, *tls.Config) {
	g := startGateway(t, false, func(s *httptest.Server) { s.StartTLS() })
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(g.Server.Certificate())
	return g, trust
}

func startGateway(t *testing.T, noInit bool, start func(*httptest.Server)) *Gateway {
	g := &Gateway{t: t, noInit: noInit, Conns: map[string]*websocket.Conn{}, UIDs: map[string]string{}, Groups: map[string][]string{}, From: map[string][]string{}}
	server := httptest.NewUnstartedServer(g)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // some tests are about failed handshakes
	start(server)
	g.Server = server
	g.URL = "ws" + strings.TrimPrefix(server.URL, "http") + "/push?x=1"
	t.Cleanup(func() {
		server.Close()
		g.gone.Wait()
	})
	return g
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.gone.Add(1)
	defer g.gone.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: CompressMin})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	g.Mu.Lock()
	id := fmt.Sprintf("client-%d", g.accepted)
	g.accepted++
	g.Conns[id] = conn
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	g.From[host] = append(g.From[host], id)
	g.Mu.Unlock()
	defer g.forget(id)
	if !g.noInit {
		g.Write(id, []byte(`{"type":"init","client_id":"`+id+`"}`))
	}
	for {
		_, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		if string(message) == Greeting {
			g.Write(id, []byte("welcome"))
		}
	}
}

func (g *Gateway) Write(id string, b []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// Some tests are about clients that have left.
	if conn := g.Conn(id); conn != nil {
		_ = conn.Write(ctx, websocket.MessageText, b)
	}
}

func (g *Gateway) forget(id string) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	delete(g.Conns, id)
	delete(g.UIDs, id)
	delete(g.Groups, id)
}

// bind returns false for a client that is not connected.
func (g *Gateway) bind(id, uid string, groups []string) bool {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	if g.Conns[id] == nil {
		return false
	}
	g.UIDs[id], g.Groups[id] = uid, groups
	return true
}

// targets lists the clients of a query of /v1/push/raw.
func (g *Gateway) targets(q url.Values) []string {
	if q.Get("all") == "1" {
		return g.All()
	}
	if ids := q["client_id"]; ids != nil {
		return ids
	}
	return slices.DeleteFunc(g.All(), func(id string) bool {
		g.Mu.Lock()
		defer g.Mu.Unlock()
		return !slices.Contains(q["uid"], g.UIDs[id]) && !slices.ContainsFunc(q["group"], func(group string) bool { return slices.Contains(g.Groups[id], group) })
	})
}

func (g *Gateway) Conn(id string) *websocket.Conn {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	return g.Conns[id]
}

// All lists the client ids, in order.
func (g *Gateway) All() []string {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	var ids []string
	for id := range g.Conns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// RawServer accepts TCP connections and passes each to serve.
func RawServer(t *testing.T, serve func(net.Conn)) string {
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

// ReadRequest reads a handshake and returns its key.
func ReadRequest(conn net.Conn) (key string) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return ""
	}
	return req.Header.Get("Sec-WebSocket-Key")
}

// Accept returns a handshake with this key.
func Accept(conn net.Conn, key string) {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
}

// Die ends the server as kill -9 does: all connections are cut, nothing
// listens.
func (g *Gateway) Die() {
	g.Server.Listener.Close()
	g.Mu.Lock()
	defer g.Mu.Unlock()
	for _, c := range g.Conns {
		go c.CloseNow()
	}
}

// Frame is a text message of less than 126 bytes.
func Frame(text string) string { return "\x81" + string(rune(len(text))) + text }
