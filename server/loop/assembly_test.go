package loop

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// Messages that are not whole share a bound: who goes over it is closed, whatever it
// speaks. Short ones always find room, and what a client kept is free again when it has
// gone or its message is whole.
func TestMessagesInPiecesAreBounded(t *testing.T) {
	y := &hearer{}
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.MaxMessage, c.Events = 1<<20, y })
	kept := &l.srv.assembling
	const full = assemblyMemory - 100<<10
	kept.Store(full)
	part := codec.AppendMaskedFrame(nil, ws.OpText, []byte(strings.Repeat("m", 60<<10)), [4]byte{})
	part[0] &^= 0x80
	more := bytes.Clone(part)
	more[0] = 0
	fin := codec.AppendMaskedFrame(nil, ws.OpContinuation, []byte("."), [4]byte{})
	say := func(c connected, pieces ...[]byte) {
		for _, p := range pieces {
			l.reader.readFrames(c.slot, c.conn, bytes.Clone(p)) // which unmasks in place
			for c.is(flagLater) {
				l.reader.continueNext()
			}
		}
	}
	short := l.connect(t)
	if say(short, part, fin); len(y.messages) != 1 || kept.Load() != full {
		t.Errorf("a message that is short enough: %d messages, %d bytes are kept", len(y.messages), kept.Load()-full)
	}
	l.disconnect(short)
	long := l.connect(t)
	if say(long, part, more, more, more, more); long.state == connOpen || long.close != reason.MessagesFull {
		t.Errorf("one that is too long: phase %v, reason %v", long.state, long.close)
	}
	l.disconnect(long)
	line := l.connect(t)
	line.form = frames.Line
	if say(line, []byte(strings.Repeat("l", 300<<10))); line.state == connOpen || line.close != reason.MessagesFull {
		t.Errorf("a line that is too long: phase %v, reason %v", line.state, line.close)
	}
	l.disconnect(line)
	if kept.Load() != full {
		t.Errorf("%d bytes are kept of those that have gone", kept.Load()-full)
	}
	kept.Store(0)
	again := l.connect(t)
	if say(again, part, more, more, more, more); kept.Load() < 200<<10 {
		t.Errorf("%d bytes are kept of a long message", kept.Load())
	}
	if say(again, fin); len(y.messages) != 2 || len(y.messages[1]) != 5*60<<10+1 || kept.Load() != 0 {
		t.Errorf("%d messages, %d bytes are kept of a whole one", len(y.messages), kept.Load())
	}
	l.disconnect(again)
}
