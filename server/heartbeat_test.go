package server

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/internal/table"
)

// beats is a sink whose heartbeat is driven by hand.
type beats struct {
	*sink
	t *testing.T
	l *loop
	h table.Handle
	n uint32 // ticks of the heartbeat so far
}

func newBeats(t *testing.T, h Heartbeat) *beats {
	b := &beats{sink: newSink(t, 1, 16), t: t}
	b.l = b.loops[0]
	b.Loops.config.Heartbeat = h
	b.l.heart = newHeartbeat(b.l)
	b.h = b.connect(t, 1)
	return b
}

// tick lets the heartbeat tick once; it returns the bytes sent, and whether
// the client is still there.
func (b *beats) tick() (sent int, there bool) {
	before := b.wrote
	b.n++
	b.l.heart.beat(b.n * b.l.heart.every)
	b.turns(b.t)
	return b.wrote - before, b.l.receiver(b.h) != nil
}

// message is what the client sends.
func (b *beats) message(op ws.OpCode, payload string) {
	f := codec.AppendHeader(nil, op, true, len(payload))
	f[1] |= 0x80 // masked with zeros
	f = append(append(f, 0, 0, 0, 0), payload...)
	b.l.reader.readFrames(b.h.Slot(), b.l.conn(b.h.Slot()), f)
}

// The table measured in docs/gatewayworker-protocol.md section 7.3, I = 2 s,
// for a client that connects 0.4 s before a tick.
func TestHeartbeatTable(t *testing.T) {
	const interval = 2 * time.Second
	for _, row := range []struct {
		limit int
		pings []float64 // seconds after the connection
		end   float64   // 0: never
	}{
		{1, []float64{2.4}, 3.4},
		{2, []float64{2.4, 4.4}, 5.4},
		{0, []float64{2.4, 4.4, 6.4, 8.4, 10.4}, 0},
	} {
		b := newBeats(t, Heartbeat{Interval: interval, Limit: row.limit, Data: `{"type":"ping"}`})
		step := time.Duration(b.l.heart.every) * tickLen
		if want := interval / time.Duration(1+min(row.limit, 1)); step != want {
			t.Errorf("limit %d: a tick every %v, want %v", row.limit, step, want)
		}
		var pings []float64
		end := 0.0
		for at := 0.4; at < 11; at += step.Seconds() {
			sent, there := b.tick()
			if sent > 0 {
				if sent != len(`{"type":"ping"}`)+2 {
					t.Errorf("limit %d: %d bytes sent", row.limit, sent)
				}
				pings = append(pings, at)
			}
			if !there {
				end = at
				break
			}
		}
		near := func(a, b float64) bool { return a-b < 0.01 && b-a < 0.01 }
		if !slices.EqualFunc(pings, row.pings, near) || !near(end, row.end) {
			t.Errorf("limit %d: pings at %.1f, end at %.1f, want %.1f and %.1f", row.limit, pings, end, row.pings, row.end)
		}
		if n := b.l.count.closes[closeHeartbeat].Load(); (n == 1) != (row.end != 0) {
			t.Errorf("limit %d: counted %d", row.limit, n)
		}
	}
}

// Messages count, pings and pongs and half messages do not.
func TestHeartbeatActivity(t *testing.T) {
	b := newBeats(t, Heartbeat{Interval: time.Second, Limit: 1})
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

func TestHeartbeatData(t *testing.T) {
	for _, data := range []string{"", "0"} {
		b := newBeats(t, Heartbeat{Interval: time.Second, Data: data})
		for range 5 {
			if sent, there := b.tick(); sent != 0 || !there {
				t.Errorf("data %q: %d bytes", data, sent)
			}
		}
	}
	for _, bad := range []Heartbeat{
		{Interval: time.Millisecond}, {Interval: -1}, {Interval: 25 * time.Hour}, {Limit: -1}, {Limit: 1001},
		{Data: string(make([]byte, 1025))},
	} {
		c := Defaults()
		c.Heartbeat = bad
		if c.Validate() == nil {
			t.Errorf("%.80v passed", bad)
		}
	}
}

// A tick that finds the last walk under way, or comes late, is one tick.
func TestHeartbeatLate(t *testing.T) {
	b := newBeats(t, Heartbeat{Interval: time.Second})
	b.l.heart.beat(100 * b.l.heart.every)
	b.l.heart.beat(101 * b.l.heart.every)
	b.turns(t)
	if b.l.heart.count != 1 || b.l.heart.walking {
		t.Errorf("%+v", b.l.heart)
	}
	b.l.heart.beat(101 * b.l.heart.every)
	if b.l.heart.count != 2 {
		t.Errorf("%+v", b.l.heart)
	}
	b.turns(t)
}

// On the wire: who says nothing is cut off, who answers stays.
func TestHeartbeatOnTheWire(t *testing.T) {
	s, clock := startOnClock(t, func(c *Config) {
		c.Heartbeat = Heartbeat{Interval: 2 * time.Second, Limit: 2, Data: "ping"}
	})
	silent, talks := s.dial(), s.dial()
	ctx := context.Background()
	said := uint64(0)
	clock.eventually(s, "the silent client to be cut off", func() bool {
		_ = talks.ws.Write(ctx, websocket.MessageText, []byte("pong"))
		said++
		eventually(t, "the message", func() bool { return s.stats().MessagesIn == said })
		select {
		case <-silent.done:
			return true
		default:
			return false
		}
	})
	silent.expect("ping", "ping")
	if st := s.stats(); st.Connections != 1 || st.Closes["heartbeat"] != 1 {
		t.Errorf("%d clients, %v", st.Connections, st.Closes)
	}
}
