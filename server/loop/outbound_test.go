package loop

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

func TestPurgeKeepsHalfWrittenFrame(t *testing.T) {
	l := idleLoop(t)
	c := &conn{fd: -1}
	for i := range 4 {
		l.writer.queue(c, &frames.Frame{Bytes: bytes.Repeat([]byte{byte('a' + i)}, 10), Counted: true})
	}
	l.writer.written(c, 13) // the first, and 3 bytes of the second
	l.writer.purge(0, c, reason.DropSlow)
	if got := l.writer.gather(c); string(got) != "bbbbbbb" || c.out.Len() != 1 || c.out.Bytes() != 7 {
		t.Errorf("left %q, %d frames, %d bytes", got, c.out.Len(), c.out.Bytes())
	}
	l.writer.queueFirst(0, c, frames.Control([]byte("P")))
	l.writer.queue(c, frames.Control([]byte("C")))
	l.writer.queueFirst(0, c, frames.Control([]byte("Q")))
	if got := l.writer.gather(c); string(got) != "bbbbbbbQPC" {
		t.Errorf("order %q", got)
	}
	if l.count.Dropped[reason.DropSlow].Load() != 2 || l.count.Written.Load() != 1 {
		t.Errorf("dropped %d, written %d", l.count.Dropped[reason.DropSlow].Load(), l.count.Written.Load())
	}
	l.writer.written(c, 10)
	if !c.out.Empty() || c.out != (frames.Queue{}) || l.count.QueuedBytes.Load() != 0 || l.writer.nodes.Used != 0 {
		t.Errorf("not empty: %+v, %d bytes, %d nodes", c, l.count.QueuedBytes.Load(), l.writer.nodes.Used)
	}
}

// A ping that comes while the pong of the one before is half written gets its
// own, and the newest of those that come after takes the place of the older.
func TestPingsBehindAHalfWrittenPong(t *testing.T) {
	room := 0 // what the socket takes before it is full
	l := idleLoopOn(t, withRoom(&room))
	const plenty = 1 << 20
	pongs := []string{"\x8a\x05first", "\x8a\x05older", "\x8a\x05newer"}
	for begun := range len(pongs[0]) {
		room = plenty
		c := l.connect(t)
		c.received(t) // the answer and the init message
		room = begun
		for _, p := range pongs {
			if !l.writer.pong(c.slot, c.conn, []byte(p[2:])) || !l.writer.sendPongs(c.slot, c.conn) {
				t.Fatal("the connection is gone")
			}
		}
		l.writer.queue(c.conn, frames.NewPush(&gateway.Message{Payload: []byte("push")}, nil))
		want := pongs[0] + pongs[2] + "\x81\x04push"
		if begun == 0 {
			want = pongs[2] + "\x81\x04push" // nobody has seen anything of the first
		}
		room = plenty
		l.writer.flush(c.slot, c.conn)
		if got := c.received(t); string(got) != want {
			t.Errorf("%d bytes of the first pong taken at once: received %q, want %q", begun, got, want)
		}
		l.disconnect(c)
	}
	if queued := l.count.QueuedBytes.Load(); queued != 0 || l.writer.nodes.Used != 0 {
		t.Errorf("%d bytes and %d nodes left", queued, l.writer.nodes.Used)
	}
}

// sendToClientBufferSize (docs/gatewayworker-protocol.md section 7.4): a
// message is dropped if as much waits already, else it is queued whole; the
// client stays, and is sent what comes after it has caught up.
func TestSlowDropLikePHP(t *testing.T) {
	k := NewSink(t, 1, 16)
	l := k.loops[0]
	l.writer.slowDrop, l.writer.sendQueue = true, 1000
	h := k.Connect(t, 1)
	write, full := k.sys.Write, func(int, []byte) (int, error) { return -1, unix.EAGAIN }
	k.sys.Write = full
	l.conn(h.Slot()).set(flagBlocked)
	push := func(size, backlog int) {
		t.Helper()
		if _, err := k.PushList(Delivery{Message: gateway.Message{Payload: make([]byte, size), Binary: true}}, []table.Handle{h}); err != nil {
			t.Fatal(err)
		}
		k.Turns(t)
		if c := l.receiver(h); c == nil || int(c.out.Bytes()) != backlog {
			t.Fatalf("after %d bytes: %+v, want a backlog of %d", size, c, backlog)
		}
	}
	room := func() { // the poller would tell, had the socket a real descriptor
		k.sys.Write = write
		l.conn(h.Slot()).clear(flagBlocked)
		l.writer.flush(h.Slot(), l.conn(h.Slot()))
	}
	push(90_000, 90_000+10) // far above the limit, but nothing waits
	push(1, 90_010)
	room()
	push(1, 0)
	k.sys.Write = full
	l.conn(h.Slot()).set(flagBlocked)
	push(995, 999) // one byte below the limit
	push(5000, 999+5004)
	push(1, 999+5004)
	if n := l.count.Dropped[reason.DropSlow].Load(); n != 2 {
		t.Errorf("%d dropped, want 2", n)
	}
	room()
	if w, c := l.count.Written.Load(), l.receiver(h); w != 4 || c == nil || !c.out.Empty() {
		t.Errorf("%d written", w)
	}
}
