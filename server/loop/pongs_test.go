package loop

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// pingsOf is what a client sends, and what it should be answered.
func pingsOf(n, size int) (sent, want []byte) {
	for i := range n {
		payload := fmt.Appendf(nil, "%0*d", size, i)[:size]
		sent = codec.AppendMaskedFrame(sent, ws.OpPing, payload, [4]byte{1, 2, 3, 4})
		want = codec.AppendFrame(want, ws.OpPong, payload)
	}
	return sent, want
}

// receivedAll reads until there is no more for now.
func (c connected) receivedAll(t testing.TB, n int) (all []byte) {
	t.Helper()
	for len(all) < n {
		all = append(all, c.received(t)...)
	}
	return all
}

// Every ping of one read is answered, in order, with as few writes as there are
// bytes: a client must not hold up its loop for a system call a ping.
func TestPingsOfOneReadAreAnsweredTogether(t *testing.T) {
	l := idleLoop(t)
	for _, size := range []int{0, 3, 125} {
		c := l.connect(t)
		c.received(t)
		sent, want := pingsOf(readLen/(6+size), size)
		before := l.count.Writes.Load()
		turns := 1
		for l.reader.readFrames(c.slot, c.conn, sent); c.is(flagLater); turns++ {
			l.reader.continueNext()
		}
		if got := c.receivedAll(t, len(want)); !bytes.Equal(got, want) {
			t.Errorf("pings of %d bytes: the %d bytes received are not the %d of their pongs", size, len(got), len(want))
		}
		if writes := int(l.count.Writes.Load() - before); writes > len(want)/frames.MostPongs+turns || turns > 4 {
			t.Errorf("pings of %d bytes: %d writes", size, writes)
		}
		if !c.out.Empty() || l.writer.pongs.Owed() {
			t.Errorf("pings of %d bytes: pongs are left: %+v", size, l.writer.pongs)
		}
		l.disconnect(c)
	}
}

// A pong goes before what is sent for a later frame: an echo, a close frame.
func TestPongsKeepTheirPlace(t *testing.T) {
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.OnMessage = OnMessageEcho })
	frame := func(op ws.OpCode, payload string) []byte {
		return codec.AppendMaskedFrame(nil, op, []byte(payload), [4]byte{1, 2, 3, 4})
	}
	ping := func(payload string) []byte { return frame(ws.OpPing, payload) }
	broken := []byte{0x83, 0x80, 0, 0, 0, 0}
	for _, try := range []struct {
		sent []byte
		want string
	}{
		{slices.Concat(ping("1"), ping("2"), frame(ws.OpText, "x"), ping("3")), "\x8a\x011\x8a\x012\x81\x01x\x8a\x013"},
		{slices.Concat(ping("1"), frame(ws.OpClose, "\x03\xe8"), ping("2")), "\x8a\x011\x88\x02\x03\xe8"},
		{slices.Concat(ping("1"), broken, ping("2")), "\x8a\x011\x88"},
	} {
		c := l.connect(t)
		c.received(t)
		l.reader.readFrames(c.slot, c.conn, try.sent)
		if got := c.receivedAll(t, len(try.want)); !strings.HasPrefix(string(got), try.want) {
			t.Errorf("received %q, want %q", got, try.want)
		}
		if l.writer.pongs.Owed() {
			t.Errorf("%+v is left", l.writer.pongs)
		}
		if c.state != connFree {
			l.disconnect(c)
		}
	}
	// Nothing owed to one that is gone goes to another.
	c := l.connect(t)
	l.writer.pong(c.slot, c.conn, []byte("lost"))
	l.disconnect(c)
	if l.writer.pongs.Owed() {
		t.Errorf("%+v is left of a connection that is gone", l.writer.pongs)
	}
}

// Of many pings in one read to a full socket the pong that has begun and the
// newest wait, as if each had come alone; a push keeps its place behind them.
func TestPingsOfOneReadToAFullSocket(t *testing.T) {
	room := 0 // what the socket takes before it is full
	l := idleLoopOn(t, withRoom(&room))
	const plenty = 1 << 20
	sent, pongs := pingsOf(500, 5)
	const size = 7 // of a pong
	newest := string(pongs[len(pongs)-size:])
	for _, taken := range []int{0, 1, size - 1, size, size + 1, 10 * size, 499*size - 1, 499 * size, 500*size - 1} {
		for _, waiting := range []string{"", "\x81\x05first"} {
			room = plenty
			c := l.connect(t)
			c.received(t)
			room = taken
			want := ""
			if waiting != "" { // and is about to be written
				l.writer.queue(c.conn, frames.NewPush(&gateway.Message{Payload: []byte(waiting[2:])}, nil))
			}
			l.reader.readFrames(c.slot, c.conn, sent)
			whole := (taken + size - 1) / size * size
			want = string(pongs[:whole])
			if whole < len(pongs) {
				want += newest
			}
			want += waiting + "\x81\x04push"
			if n := int(c.out.Len()); n > 3 {
				t.Errorf("%d bytes taken at once: %d frames wait", taken, n)
			}
			again, _ := pingsOf(3, 5)
			l.reader.readFrames(c.slot, c.conn, again) // takes the newest one's place
			if whole < len(pongs) {
				want = want[:whole] + "\x8a\x0500002" + want[whole+size:]
			} else {
				want = want[:whole] + "\x8a\x0500002" + want[whole:]
			}
			l.writer.queue(c.conn, frames.NewPush(&gateway.Message{Payload: []byte("push")}, nil))
			room = plenty
			l.writer.flush(c.slot, c.conn)
			if got := c.receivedAll(t, len(want)); string(got) != want {
				t.Errorf("%d bytes taken at once: received %d bytes %.30q…%q, want %d %.30q…%q",
					taken, len(got), got, got[max(0, len(got)-30):], len(want), want, want[len(want)-30:])
			}
			l.disconnect(c)
		}
	}
	if queued := l.count.QueuedBytes.Load(); queued != 0 || l.writer.nodes.Used != 0 {
		t.Errorf("%d bytes and %d nodes left", queued, l.writer.nodes.Used)
	}
}

// A message that a backend frames itself is no pong of ours, whatever it holds:
// a newer pong does not take its place.
func TestPongsLeaveRawPushesAlone(t *testing.T) {
	room := 1 << 20
	l := idleLoopOn(t, withRoom(&room))
	c := l.connect(t)
	c.received(t)
	room = 0
	l.writer.queue(c.conn, frames.NewPush(&gateway.Message{Raw: true, Payload: []byte("\x8a\x01r")}, nil))
	sent, pongs := pingsOf(1, 3)
	for range 3 {
		l.reader.readFrames(c.slot, c.conn, bytes.Clone(sent))
	}
	room = 1 << 20
	l.writer.flush(c.slot, c.conn)
	if got, want := string(c.received(t)), string(pongs)+"\x8a\x01r"; got != want {
		t.Errorf("received %q, want %q", got, want)
	}
	l.disconnect(c)
}
