package gatewayworker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/gateway"
)

// beside runs one broadcast to all after the other through the Gateway, until it is
// stopped, to clients of its own. The client with the connection id but gets none. A
// broadcast begins when everybody has the previous one: otherwise, on a machine
// that does not keep up, the kernel's packet queue overflows (netdev_max_backlog),
// and commands are among the packets that are dropped and retransmitted later.
func (r *rig) beside(clients int, but uint32) (stop func()) {
	var heard atomic.Int64
	for range clients {
		conn, in, err := upgrade(r.server.Addr().String())
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { _ = conn.Close() })
		go func() {
			b := make([]byte, 64<<10)
			for n, err := in.Read(b); err == nil; n, err = in.Read(b) {
				heard.Add(int64(n))
			}
		}()
	}
	excluded := fmt.Sprintf("%s%08x", r.front.loop.commands.prefix, but)
	frame := int64(len(codec.AppendFrame(nil, ws.OpText, make([]byte, 1000))))
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for sent := int64(0); ; {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond / 10):
			}
			if heard.Load() < sent {
				continue
			}
			sent += int64(clients) * frame
			_, err := r.server.Push(context.Background(), gateway.Push{
				To: gateway.Targets{All: true}, ExcludeClientIDs: []string{excluded},
				Payload: []byte(strings.Repeat("x", 1000)), Wait: true,
			})
			if err != nil && !r.t.Failed() {
				r.t.Error(err)
				return
			}
		}
	})
	return func() { close(end); done.Wait() }
}

// A command sees the effect of the commands before it, each on a connection of its
// own that is closed before the next is opened (docs/gatewayworker-protocol.md
// section 0.1).
func TestOrderAcrossConnections(t *testing.T) {
	binds, sends := 1500, 300
	if testing.Short() {
		binds, sends = 300, 100
	}
	r := startRig(t, func(_ *Config, sc *server.Config) { sc.Loops = 4 })
	c := r.client()
	const id = 1
	stop := r.beside(100, id)
	var stale []string
	for i := range binds {
		uid := fmt.Sprint("u", i)
		r.tell(frame(wire.BindUID, id, uid, ""))
		if got := r.ask(frame(wire.ClientsOfUID, 0, uid, "")); got != "a:1:{i:0;i:1;}" {
			stale = append(stale, fmt.Sprintf("%d: %q", i, got))
		}
	}
	if len(stale) > 0 {
		t.Errorf("%d of %d queries did not see the binding before them: %.200s", len(stale), binds, stale)
	}
	var want strings.Builder
	for i := range sends {
		r.tell(frame(wire.JoinGroup, id, "room", ""))
		r.tell(frame(wire.SendToGroup, 0, `{"group":["room"],"exclude":null}`, fmt.Sprintf("%06d", i)))
		r.tell(frame(wire.LeaveGroup, id, "room", ""))
		fmt.Fprintf(&want, "8106%x", fmt.Sprintf("%06d", i))
	}
	r.tell(frame(wire.SendToOne, id, "", "end"))
	c.expect("300 times join, send and leave", want.String()+"8103656e64")
	stop()
}

// A worker stores a session on its long connection and asks for it on another.
func TestOrderAcrossLongConnections(t *testing.T) {
	r := startRig(t, nil)
	r.client()
	stop := r.beside(20, 1)
	w := r.worker("w:0")
	q := r.dial()
	for i := range 2000 {
		session := fmt.Sprintf("i:%d;", i)
		if _, err := w.conn.Write(frame(wire.SetSession, 1, session, "")); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Write(frame(wire.SessionOfClient, 1, "", "")); err != nil {
			t.Fatal(err)
		}
		if got := readReply(t, q); got != session {
			t.Fatalf("session %q, want %q", got, session)
		}
	}
	stop()
}

// Pipelined queries get their replies in order, however slowly these are read and
// however large they are.
func TestPipelinedQueries(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.MaxReplies = 10_000 })
	r.client()
	session := strings.Repeat("s", 5000)
	r.tell(frame(wire.SetSession, 1, session, ""))
	c := r.dial()
	const queries = 4000 // 20 MB of replies, more than the kernel holds
	var b []byte
	for i := range queries {
		b = append(b, frame(wire.BindUID, 1, fmt.Sprint("u", i), "")...)
		b = append(b, frame(wire.SelectClients, 0, `{"fields":["uid","session"],"where":{"connection_id":[1]}}`, "")...)
	}
	written := make(chan error, 1)
	go func() { _, err := c.Write(b); written <- err }()
	for i := range queries {
		uid := fmt.Sprint("u", i)
		want := fmt.Sprintf(`a:1:{i:1;a:2:{s:3:"uid";s:%d:"%s";s:7:"session";s:5000:"%s";}}`, len(uid), uid, session)
		if got := readReply(t, c); got != want {
			t.Fatalf("reply %d: %.80s", i, got)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}
