package tally

import (
	"testing"
	"time"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/reason"
)

func reading() gateway.Stats {
	return gateway.Stats{
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{}, InflateErrors: map[string]uint64{},
	}
}

// Deliveries are counted by how they ended, for whoever waits too; frames of the gateway's
// own are not.
func TestDeliveries(t *testing.T) {
	var c Counters
	wait := frames.NewWait()
	push := frames.NewPush(&gateway.Message{Payload: []byte("hi")}, wait)
	wait.Matched(6)
	c.Delivered(push)
	c.Drop(push, reason.DropSlow)
	c.DropMany(push, 3, reason.DropClosed)
	own := frames.Control([]byte("own"))
	c.Delivered(own)
	c.Drop(own, reason.DropSlow)
	if written, dropped := wait.Counts(); written != 1 || dropped != 4 {
		t.Errorf("who waits is told of %d written and %d dropped", written, dropped)
	}
	st := reading()
	c.AddTo(&st)
	if st.Written != 1 || st.Dropped["slow"] != 1 || st.Dropped["closed"] != 3 {
		t.Errorf("%d written, %v dropped", st.Written, st.Dropped)
	}
}

// One push to many is timed at a time, or another once it takes long.
func TestPushTimer(t *testing.T) {
	var p PushTimer
	if !p.Begin(1) || p.Begin(2) {
		t.Error("not just the first is timed")
	}
	p.end(2) // of another one
	if p.Begin(3) {
		t.Error("one that is not timed has ended the timing")
	}
	p.end(1)
	if !p.Begin(4) {
		t.Error("the next is not timed")
	}
	if p.Begin(4+MaxTiming-time.Nanosecond) || !p.Begin(4+MaxTiming) {
		t.Error("one that takes long keeps others from being timed, or one that does not is given up")
	}
}
