// Command gorilla is the usual way in Go: net/http, gorilla/websocket and two
// goroutines per connection.
//
// It follows the library's documentation and examples. As in the chat example,
// one goroutine of a connection reads and one writes, fed by a channel, and a
// client whose channel is full is disconnected: nobody waits for slow clients.
// As in the bufferpool example, the handler returns after the handshake, so
// that net/http's own buffers can be freed, and writes borrow their buffer from
// a pool. A broadcast is one PreparedMessage, framed once for all. Unlike in
// the chat example, messages that wait together are not joined with newlines,
// since each must arrive as a message of its own; no deadlines are set and no
// pings are sent, which would cost a timer per connection.
package main

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"

	"castgate/bench/rivals/control"
)

// maxQueue is how many messages may wait for one client.
const maxQueue = 64

// upgrader has a read buffer of the size used in the documentation's examples,
// enough for clients that send little.
var upgrader = websocket.Upgrader{
	ReadBufferSize:  1 << 10,
	WriteBufferSize: 1 << 10,
	WriteBufferPool: &sync.Pool{},
	CheckOrigin:     func(*http.Request) bool { return true },
}

// client is one connection.
type client struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage // closed, under the shard's mutex, when the client is disconnected
}

// shard is a part of all clients, so that several broadcasts and new clients do
// not wait for one mutex.
type shard struct {
	mu      sync.Mutex
	clients map[*client]struct{}
}

// hub is all clients.
type hub struct {
	shards []shard
	next   atomic.Uint32
}

func newHub() *hub {
	h := &hub{shards: make([]shard, runtime.GOMAXPROCS(0))}
	for i := range h.shards {
		h.shards[i].clients = map[*client]struct{}{}
	}
	return h
}

func main() {
	h := newHub()
	control.Main("gorilla", h, h.broadcast)
}

// ServeHTTP adds a client.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	init, err := websocket.NewPreparedMessage(websocket.TextMessage, control.InitMessage())
	if err != nil {
		conn.Close()
		return
	}
	c := &client{conn: conn, queue: make(chan *websocket.PreparedMessage, maxQueue)}
	c.queue <- init // first in the queue: a client that has this message misses none after it
	s := &h.shards[h.next.Add(1)%uint32(len(h.shards))]
	s.mu.Lock()
	s.clients[c] = struct{}{}
	s.mu.Unlock()
	go c.write()
	go c.read(s)
}

// read answers control frames and discards the rest until the client
// disconnects.
func (c *client) read(s *shard) {
	for {
		if _, _, err := c.conn.NextReader(); err != nil {
			break
		}
	}
	s.mu.Lock()
	s.giveUp(c)
	s.mu.Unlock()
	c.conn.Close()
}

// write writes what waits until the client is disconnected.
func (c *client) write() {
	for m := range c.queue {
		if err := c.conn.WritePreparedMessage(m); err != nil {
			break
		}
	}
	c.conn.Close() // this also ends read
}

// giveUp disconnects a client, once. The caller holds s.mu.
func (s *shard) giveUp(c *client) {
	if _, ok := s.clients[c]; ok {
		delete(s.clients, c)
		close(c.queue)
	}
}

// broadcast passes a message to the writers of all clients.
func (h *hub) broadcast(payload []byte) (r control.Reply, err error) {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
	if err != nil {
		return r, err
	}
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		r.Matched += len(s.clients)
		for c := range s.clients {
			select {
			case c.queue <- m:
				r.Queued++
			default:
				s.giveUp(c)
				r.Dropped++
			}
		}
		s.mu.Unlock()
	}
	return r, nil
}
