package loop

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/kernel"
	"castgate/server/reason"
)

func (l *loop) connectOffering(t testing.TB) connected {
	return l.connectWith(t, []byte(strings.TrimSuffix(sinkHead, "\r\n")+offer))
}

// A flood of bombs below the limit is inflated in slices, while others are
// served, in order, and nothing is left when it is done.
func TestInflateSlices(t *testing.T) {
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Compress, c.MaxMessage = true, 1<<20 })
	c := l.connectOffering(t)
	bomb := compressedFrame(ws.OpBinary, deflated(make([]byte, 1<<20)))
	small := compressedFrame(ws.OpText, deflated([]byte("hello")))
	var input []byte
	for range 8 {
		input = append(append(input, bomb...), small...)
	}
	input = append(input, codec.AppendMaskedFrame(nil, ws.OpPing, []byte("after"), [4]byte{})...)
	l.reader.readFrames(c.slot, c.conn, input)
	count := &l.count.Inflate
	if n := count.Inflated.Load(); n > firstSlice/inflateByte+inflateBufLen || !c.is(flagLater) {
		t.Fatalf("%d bytes inflated at once", n)
	}
	turns := 0
	for ; c.is(flagLater); turns++ {
		last := count.Inflated.Load()
		l.reader.continueNext()
		if n := count.Inflated.Load() - last; n > laterSlice/inflateByte+inflateBufLen {
			t.Fatalf("%d bytes inflated at once", n)
		}
	}
	if turns < 8<<20/(laterSlice/inflateByte+inflateBufLen) {
		t.Errorf("done in %d turns", turns)
	}
	if count.Messages.Load() != 16 || count.Inflated.Load() != 8<<20+8*5 || c.in != nil {
		t.Errorf("%d messages, %d bytes, inbound %v", count.Messages.Load(), count.Inflated.Load(), c.in)
	}
	if got := c.received(t); !bytes.HasSuffix(got, []byte("\x8a\x05after")) {
		t.Errorf("no pong behind the messages: %q", got)
	}
	l.disconnect(c)
}

// A connection may end while it has more to inflate.
func TestInflateCutOff(t *testing.T) {
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Compress, c.MaxMessage = true, 1<<20 })
	bomb := compressedFrame(ws.OpBinary, deflated(make([]byte, 1<<20)))
	c := l.connectOffering(t)
	l.reader.readFrames(c.slot, c.conn, append(bytes.Clone(bomb), bomb...))
	l.disconnect(c)
	l.reader.continueNext() // finds nobody
	if !l.reader.later.empty() {
		t.Error("a connection that is gone is still in the list")
	}
	// Closing: the rest is parsed for the close frame, but not inflated.
	c = l.connectOffering(t)
	l.reader.readFrames(c.slot, c.conn, append(bytes.Clone(bomb), bomb...))
	l.exit.startClose(c.slot, c.conn, reason.Kicked, reason.Kicked.Frame(), false)
	before := l.count.Inflate.Inflated.Load()
	for c.is(flagLater) {
		l.reader.continueNext()
	}
	if n := l.count.Inflate.Inflated.Load() - before; n != 0 {
		t.Errorf("%d bytes inflated for a client that is closing", n)
	}
	l.disconnect(c)
}

// A deflate stream that never ends, in fragments that never end, is cut off at
// the limit of compressed bytes: no more than that is held, nothing inflated.
func TestInflateEndless(t *testing.T) {
	part := append(deflated([]byte(noise(500))), 0, 0, 0xff, 0xff) // an empty block: the stream goes on
	first := compressedFrame(ws.OpBinary, part)
	first[0] &^= 0x80
	more := codec.AppendMaskedFrame(nil, ws.OpContinuation, part, [4]byte{1, 2, 3, 4})
	more[0] &^= 0x80

	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Compress = true })
	limit := l.srv.config.MaxMessage + l.srv.config.MaxMessage/8 + 1<<10
	c := l.connectOffering(t)
	l.reader.readFrames(c.slot, c.conn, bytes.Clone(first))
	sent, held := len(part), 0
	for ; c.state == connOpen && sent < 4*limit; sent += len(part) {
		l.reader.readFrames(c.slot, c.conn, bytes.Clone(more)) // which unmasks in place
		if c.in != nil {
			held = max(held, c.in.packed.Held())
		}
	}
	if c.state == connOpen || sent > limit+2*len(part) || held < limit/2 || held > 2*limit {
		t.Errorf("state %v after %d bytes, %d held, of %d allowed", c.state, sent, held, limit)
	}
	if c.in != nil && c.in.packed.Partial() {
		t.Error("it still holds what came")
	}
	if n := l.count.Inflate.Inflated.Load(); n != 0 {
		t.Errorf("%d bytes were inflated", n)
	}
	l.disconnect(c)
}
