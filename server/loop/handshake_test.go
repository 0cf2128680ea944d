package loop

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
)

// However little of the answer to a handshake a socket takes at once, and
// whatever is asked of the client before it takes the rest, the peer reads the
// answer, the init message and then what came later.
func TestHandshakeAnswerThatWaits(t *testing.T) {
	room := 0 // what the socket takes before it is full
	l := idleLoopOn(t, withRoom(&room))
	const plenty = 1 << 20
	room = plenty
	whole := l.connect(t)
	answer := whole.received(t)
	l.disconnect(whole)

	for taken := range len(answer) + 1 {
		room = taken
		c := l.connect(t)
		id := l.srv.IDs.Of(l.handle(c.slot, c.conn), 0)
		want := append(bytes.Clone(answer[:len(answer)-clientid.Len-len(`"}`)]), id+`"}`...)
		if waits := !c.out.Empty(); waits != (taken < len(answer)) || int(c.out.Bytes()) != len(answer)-taken {
			t.Fatalf("%d bytes taken: %d bytes wait of %d", taken, c.out.Bytes(), len(answer))
		}
		clear(l.writer.wbuf[:cap(l.writer.wbuf)]) // it belongs to the next one who writes
		l.writer.queue(c.conn, frames.NewPush(&gateway.Message{Payload: []byte("later")}, nil))
		if taken == 0 || taken == len(answer) {
			room = plenty
			l.writer.flush(c.slot, c.conn)
			want = append(want, "\x81\x05later"...)
		} else {
			l.writer.pong(c.slot, c.conn, []byte("!"))
			l.writer.sendPongs(c.slot, c.conn) // overtakes what is whole, but not the answer
			room = plenty
			l.writer.flush(c.slot, c.conn)
			want = append(want, "\x8a\x01!\x81\x05later"...)
		}
		if got := c.received(t); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes taken at once: received\n%q, want\n%q", taken, got, want)
		}
		l.disconnect(c)
	}
	if queued := l.count.QueuedBytes.Load(); queued != 0 || l.writer.nodes.Used != 0 {
		t.Errorf("%d bytes and %d nodes left", queued, l.writer.nodes.Used)
	}
}

// received is what has come at the peer's end.
func (c connected) received(t testing.TB) []byte {
	t.Helper()
	var b [4096]byte
	n, err := unix.Read(c.peer, b[:])
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}
