// Command gws is lxzan/gws with its Broadcaster: one goroutine per connection
// that reads, and one per write that ends with it.
//
// It follows the library's README: the upgrader in a net/http handler, the read
// loop in a goroutine of its own so that net/http's buffers can be freed, and
// for a broadcast one Broadcaster, which frames the message once and queues it
// for every connection without waiting for any. Connections are kept in the
// library's own ConcurrentMap. Compression and the check of UTF-8 are off, as
// by default; so is parallel handling of messages, of which clients here send
// hardly any. No deadlines are set, which would cost a timer per connection.
package main

import (
	"net/http"

	"github.com/lxzan/gws"

	"castgate/bench/rivals/control"
)

const (
	// Shards of the map of connections, and their initial capacity: the
	// default, and a round number.
	shards   = 16
	capacity = 128
	// readBuffer is enough for clients that send little; the default of 4 KiB
	// would only make it look worse with idle connections.
	readBuffer = 1 << 10
)

// front is all clients; the library calls its methods on the goroutine that
// reads the connection.
type front struct {
	gws.BuiltinEventHandler
	upgrader *gws.Upgrader
	clients  *gws.ConcurrentMap[*gws.Conn, struct{}]
}

func newFront() *front {
	f := &front{clients: gws.NewConcurrentMap[*gws.Conn, struct{}](shards, capacity)}
	f.upgrader = gws.NewUpgrader(f, &gws.ServerOption{ReadBufferSize: readBuffer})
	return f
}

func main() {
	f := newFront()
	control.Main("gws", f, f.broadcast)
}

// ServeHTTP adds a client.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := f.upgrader.Upgrade(w, r)
	if err != nil {
		return // it has been answered
	}
	go conn.ReadLoop()
}

// OnOpen greets a client. The connection's queue keeps the order: a broadcast
// that begins once the client is known follows the init message, and a client
// that has that message misses nothing.
func (f *front) OnOpen(conn *gws.Conn) {
	conn.Async(func() {
		f.clients.Store(conn, struct{}{})
		_ = conn.WriteMessage(gws.OpcodeText, control.InitMessage()) // OnClose is called if it fails
	})
}

// OnClose is called once for every opened client; it goes through the queue, so
// that it follows what OnOpen has put there.
func (f *front) OnClose(conn *gws.Conn, _ error) {
	conn.Async(func() { f.clients.Delete(conn) })
}

// OnMessage discards what clients send.
func (f *front) OnMessage(_ *gws.Conn, message *gws.Message) { message.Close() }

// OnPing answers a ping.
func (f *front) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

// broadcast queues a message for all clients.
func (f *front) broadcast(payload []byte) (r control.Reply, err error) {
	b := gws.NewBroadcaster(gws.OpcodeText, payload)
	defer b.Close()
	f.clients.Range(func(conn *gws.Conn, _ struct{}) bool {
		r.Matched++
		if b.Broadcast(conn) == nil {
			r.Queued++
		} else {
			r.Dropped++
		}
		return true
	})
	return r, nil
}
