package wstest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// maxFrame is the largest message that a Client accepts.
const maxFrame = 64 << 20

// Message is one message a client received.
type Message struct {
	Binary bool
	Data   string
}

// DialOptions of DialWith.
type DialOptions struct {
	// Path of the request; "" is "/".
	Path string
	// Header of the request, such as Origin.
	Header http.Header
	// NoInit says that the gateway sends no init message.
	NoInit bool
	// Subprotocols are offered in the handshake.
	Subprotocols []string
	// NoPong leaves pings unanswered.
	NoPong bool
	// TLS, if not nil, makes the client dial the wss listener of Gateway.Listeners
	// with this configuration.
	TLS *tls.Config
	// Compress offers permessage-deflate.
	Compress bool
}

// Client is a WebSocket client that keeps all received messages. A goroutine of its
// own reads, so pings are answered and queues never fill.
type Client struct {
	// ID is the client_id of the init message.
	ID string
	// Conn is for sending only; the client itself reads.
	Conn *websocket.Conn

	t     testing.TB
	g     *Gateway
	pings atomic.Int64

	mu    sync.Mutex // guards the fields below
	grown chan struct{}
	log   []Message
	next  int   // index of the first message that no Expect has taken
	err   error // the error that ended reading
}

// Dial opens a client on the gateway's listener and reads its init message.
func (g *Gateway) Dial(t testing.TB) *Client {
	t.Helper()
	return g.DialWith(t, DialOptions{})
}

// DialWith is Dial with options.
func (g *Gateway) DialWith(t testing.TB, o DialOptions) *Client {
	t.Helper()
	c, resp, err := g.TryDial(t, o)
	if err != nil {
		t.Fatalf("dial: %v (response %v)", err, resp)
	}
	return c
}

// TryDial is DialWith for a handshake that may be refused. resp is the gateway's
// answer, nil if there was none. It fails no test, so any goroutine may call it.
func (g *Gateway) TryDial(t testing.TB, o DialOptions) (c *Client, resp *http.Response, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c = &Client{t: t, g: g, grown: make(chan struct{})}
	url, via := "ws://"+g.Addr, http.DefaultClient
	if o.TLS != nil {
		url, via = "wss://"+g.Listeners["wss"], &http.Client{Transport: &http.Transport{TLSClientConfig: o.TLS}}
	}
	mode := websocket.CompressionDisabled
	if o.Compress {
		mode = websocket.CompressionNoContextTakeover
	}
	conn, resp, err := websocket.Dial(ctx, url+o.Path, &websocket.DialOptions{
		HTTPClient: via, CompressionMode: mode, HTTPHeader: o.Header, Subprotocols: o.Subprotocols,
		OnPingReceived: func(context.Context, []byte) bool {
			c.pings.Add(1)
			return !o.NoPong
		},
	})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(maxFrame)
	c.Conn = conn
	t.Cleanup(func() { conn.CloseNow() })
	if o.NoInit {
		go c.read()
		return c, resp, nil
	}
	kind, first, err := conn.Read(ctx)
	if err != nil {
		conn.CloseNow()
		return nil, resp, fmt.Errorf("reading the init message: %w", err)
	}
	var init struct {
		Type     string `json:"type"`
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(first, &init); err != nil || kind != websocket.MessageText || init.Type != "init" || init.ClientID == "" {
		conn.CloseNow()
		return nil, resp, fmt.Errorf("first message is not an init message: %v %q", kind, first)
	}
	c.ID = init.ClientID
	go c.read()
	return c, resp, nil
}

// read runs on a goroutine of its own until the connection ends.
func (c *Client) read() {
	for {
		kind, data, err := c.Conn.Read(context.Background())
		c.mu.Lock()
		if err == nil {
			c.log = append(c.log, Message{Binary: kind == websocket.MessageBinary, Data: string(data)})
		} else {
			c.err = err
		}
		close(c.grown)
		c.grown = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wait blocks until ready returns true, the connection has ended, or Patience is
// over. ready is called under the lock. wait returns its last result.
func (c *Client) wait(ready func() bool) bool {
	limit := time.After(Patience)
	for {
		c.mu.Lock()
		ok, ended, grown := ready(), c.err != nil, c.grown
		c.mu.Unlock()
		if ok || ended {
			return ok
		}
		select {
		case <-grown:
		case <-limit:
			return false
		}
	}
}

// Next returns the next message that no Next or Expect has taken.
func (c *Client) Next() Message {
	c.t.Helper()
	if !c.wait(func() bool { return c.next < len(c.log) }) {
		c.t.Fatalf("client %s: no message arrived (connection: %v)", c.ID, c.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return c.log[c.next-1]
}

// Expect takes the next messages and compares each with a text.
func (c *Client) Expect(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if got := c.Next(); got != (Message{Data: want}) {
			c.t.Fatalf("client %s: got %.200q (binary %v), want %.200q", c.ID, got.Data, got.Binary, want)
		}
	}
}

// ExpectBinary takes the next message and compares it with binary data.
func (c *Client) ExpectBinary(want string) {
	c.t.Helper()
	if got := c.Next(); got != (Message{Binary: true, Data: want}) {
		c.t.Fatalf("client %s: got %.200q (binary %v), want binary %.200q", c.ID, got.Data, got.Binary, want)
	}
}

// ExpectNothing proves that no message is on its way to the client. It pushes a
// marker, which by the guaranteed order arrives after everything that was pushed
// before.
func (c *Client) ExpectNothing() {
	c.t.Helper()
	marker := fmt.Sprintf("marker %d", time.Now().UnixNano())
	c.g.OK("POST", "/v1/push", M{"to": M{"client_ids": []string{c.ID}}, "text": marker})
	if got := c.Next(); got.Data != marker {
		c.t.Fatalf("client %s: got %.200q, want nothing", c.ID, got.Data)
	}
}

// Await waits until n messages have arrived in total, including taken ones.
func (c *Client) Await(n int) {
	c.t.Helper()
	if !c.wait(func() bool { return len(c.log) >= n }) {
		c.t.Fatalf("client %s: %d messages arrived, want %d (connection: %v)", c.ID, len(c.Messages()), n, c.Err())
	}
}

// Messages returns all messages received so far, except the init message. Any
// goroutine may call it.
func (c *Client) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Message(nil), c.log...)
}

// Err returns the error that ended the connection, nil while it is open. Any
// goroutine may call it.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Pings returns how many pings have arrived. Any goroutine may call it.
func (c *Client) Pings() int { return int(c.pings.Load()) }

// Ended waits for the end of the connection and returns the close code and reason.
// If it ended without a close frame, it returns -1 and the text of the error.
func (c *Client) Ended() (code int, reason string) {
	c.t.Helper()
	c.wait(func() bool { return false })
	err := c.Err()
	if err == nil {
		c.t.Fatalf("client %s: still open", c.ID)
	}
	if closed := (websocket.CloseError{}); errors.As(err, &closed) {
		return int(closed.Code), closed.Reason
	}
	return -1, err.Error()
}

// ExpectClose waits for the close frame and compares it.
func (c *Client) ExpectClose(code int, reason string) {
	c.t.Helper()
	if gotCode, gotReason := c.Ended(); gotCode != code || gotReason != reason {
		c.t.Fatalf("client %s: closed with %d %q, want %d %q", c.ID, gotCode, gotReason, code, reason)
	}
}

// Send sends a text message.
func (c *Client) Send(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.Conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("client %s: send: %v", c.ID, err)
	}
}

// Close ends the connection with a closing handshake. Any goroutine may call it.
func (c *Client) Close() { c.Conn.Close(websocket.StatusNormalClosure, "") }
