package loop

import (
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/heartbeat"
	"castgate/server/internal/table"
)

// beats is a sink whose heartbeat is driven by hand.
type beats struct {
	*Sink
	t *testing.T
	l *loop
	h table.Handle
	n uint32 // tick of the loop
}

func newBeats(t *testing.T, h heartbeat.Settings) *beats {
	b := &beats{Sink: NewSink(t, 1, 16), t: t}
	b.l = b.loops[0]
	b.config.Heartbeat = h
	b.l.heart = newHeartbeats(b.l)
	b.h = b.Connect(t, 1)
	return b
}

// tick lets the heartbeat tick once; it returns the bytes sent, and whether
// the client is still there.
func (b *beats) tick() (sent int, there bool) {
	before := b.Wrote
	b.n += 1000 // later than the next tick of any clock here
	b.l.heart.tick(b.n)
	b.Turns(b.t)
	return b.Wrote - before, b.l.receiver(b.h) != nil
}

// message is what the client sends.
func (b *beats) message(op ws.OpCode, payload string) {
	f := codec.AppendHeader(nil, op, true, len(payload))
	f[1] |= 0x80 // masked with zeros
	f = append(append(f, 0, 0, 0, 0), payload...)
	b.l.reader.readFrames(b.h.Slot(), b.l.conn(b.h.Slot()), f)
}

// Messages count, pings and pongs and half messages do not.
func TestHeartbeatActivity(t *testing.T) {
	b := newBeats(t, heartbeat.Settings{Interval: time.Second, Limit: 1})
	for range 20 {
		b.tick()
		b.tick()
		b.message(ws.OpText, "x")
	}
	if sent, there := b.tick(); sent != 0 || !there {
		t.Fatal("a client that sends messages was dropped, or pinged without data")
	}
	for i := range 3 {
		b.message(ws.OpPing, "")
		b.message(ws.OpPong, "")
		if _, there := b.tick(); there != (i < 2) {
			t.Fatalf("tick %d: there %v", i, there)
		}
	}
}

// A tick that finds the last walk under way waits for it.
func TestHeartbeatLate(t *testing.T) {
	b := newBeats(t, heartbeat.Settings{Interval: time.Second, Limit: 1})
	b.l.heart.tick(1000)
	b.l.heart.tick(2000)
	if n := b.l.heart.clock.Count(); n != 1 || !b.l.heart.busy() {
		t.Errorf("%d ticks, under way: %v", n, b.l.heart.busy())
	}
	b.Turns(t)
	b.l.heart.tick(2000)
	if n := b.l.heart.clock.Count(); n != 2 {
		t.Errorf("%d ticks", n)
	}
	b.Turns(t)
	if b.l.heart.busy() {
		t.Error("the walk does not end")
	}
}
