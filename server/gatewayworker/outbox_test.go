package gatewayworker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	wire "castgate/codec/gatewayworker"
)

// The bytes that a worker cannot have read, according to its acknowledgements.
func TestUnread(t *testing.T) {
	var c outbox
	c.ofWorker()
	for range 4 {
		c.bytes = append(c.bytes, frame(wire.OnMessage, 1, "", strings.Repeat("x", 100-wire.HeaderLen))...)
		c.wrote(100)
	}
	for _, k := range []struct {
		what            string
		n, unsent, want int
	}{
		{"all is acknowledged", 0, 0, 0},
		{"one write is on the way", 100, 0, 100},
		{"a part of one", 40, 0, 40},
		{"two: the first may have been read", 200, 0, 100},
		{"a part of the first, and two more", 250, 0, 200},
		{"all of them", 400, 0, 300},
		{"two, of which the last has not left", 200, 100, 200},
		{"two, of which a part has not left", 200, 50, 100},
		{"none has left", 300, 300, 300},
	} {
		if got := c.unread(k.n, k.unsent); got != k.want {
			t.Errorf("%s: %d bytes, want %d", k.what, got, k.want)
		}
	}
	c.settle(100)
	if got := c.unread(100, 0); got != 100 || len(c.writes) != 1 {
		t.Errorf("settled: %d bytes of %d writes", got, len(c.writes))
	}
}

// Whatever is written, acknowledged and lost in which pieces: a worker's outbox gives back
// every event that its kernel does not have as a whole, and no other, and keeps little memory
// for those that it has.
func TestOutboxKeepsEvents(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(1, seed))
		var o outbox
		o.ofWorker()
		var events [][]byte // that the worker's kernel may not have
		acknowledged := 0   // bytes since the first of events began
		written := 0
		for range 200 {
			switch random.IntN(3) {
			case 0:
				e := frame(wire.OnMessage, random.Uint32(), "", strings.Repeat("x", random.IntN(20_000)))
				events, o.bytes = append(events, e), append(o.bytes, e...)
			case 1:
				n := random.IntN(o.waiting() + 1)
				o.wrote(n)
				written += n
			default:
				acknowledged += random.IntN(written - acknowledged + 1)
				o.settle(written - acknowledged)
				for len(events) > 0 && len(events[0]) <= acknowledged {
					acknowledged, written = acknowledged-len(events[0]), written-len(events[0])
					events = events[1:]
				}
			}
			if want, got := bytes.Join(events, nil), o.lost(written-acknowledged); !bytes.Equal(got, want) {
				t.Fatalf("seed %d: %d bytes are lost, want %d", seed, len(got), len(want))
			}
			if kept := len(bytes.Join(events, nil)); len(o.bytes) > 2*kept+2*keepOut {
				t.Fatalf("seed %d: %d bytes are kept for %d", seed, len(o.bytes), kept)
			}
		}
	}
}

// What was written completely is never given to another worker, and half an event is.
func TestUnwrittenEvents(t *testing.T) {
	one, two := frame(wire.OnMessage, 1, "", "one"), frame(wire.OnMessage, 2, "", "two")
	for n, want := range map[int]string{
		0: string(one) + string(two), 1: string(one) + string(two), len(one) - 1: string(one) + string(two),
		len(one): string(two), len(one) + 1: string(two), len(one) + len(two): "",
	} {
		var o outbox
		o.ofWorker()
		o.bytes = append(append(o.bytes, one...), two...)
		o.wrote(n)
		if got := string(o.unwritten()); got != want {
			t.Errorf("%d bytes are written: %q, want %q", n, got, want)
		}
	}
}

// Replies to a worker are not events: none of what it has got after one goes to another.
func TestOutboxWithReplies(t *testing.T) {
	var o outbox
	o.bytes = []byte("a reply from before it was a worker")
	o.replied()
	o.ofWorker()
	event := frame(wire.OnMessage, 1, "", "x")
	o.bytes = append(o.bytes, event...)
	o.wrote(3)
	if got := o.unwritten(); !bytes.Equal(got, event) {
		t.Errorf("%q, want the event", got)
	}
	o.replied()
	if got := o.unwritten(); got != nil {
		t.Errorf("%q behind a reply", got)
	}
	if o.wrote(o.waiting()); len(o.bytes) != 0 || o.full() {
		t.Errorf("%d bytes are kept that nobody can use", len(o.bytes))
	}
}

// A caller's outbox keeps nothing that is written, and no large buffer.
func TestOutboxOfCaller(t *testing.T) {
	for _, n := range []int{1, keepOut, 10 * keepOut} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var o outbox
			o.bytes = append(o.bytes, bytes.Repeat([]byte("r"), n)...)
			for o.waiting() > 0 {
				o.wrote(min(o.waiting(), keepOut/2))
				if len(o.bytes) > max(2*o.waiting(), 2*keepOut) {
					t.Fatalf("%d bytes are kept for %d", len(o.bytes), o.waiting())
				}
			}
			if len(o.bytes)+o.sent != 0 || n > keepOut && cap(o.bytes) > 0 {
				t.Errorf("%d bytes of %d are left, %d were sent", len(o.bytes), cap(o.bytes), o.sent)
			}
		})
	}
}

// After memory was freed, what a worker has certainly not read is still told by its writes.
func TestUnreadAfterFreeing(t *testing.T) {
	var o outbox
	o.ofWorker()
	size := len(frame(wire.OnMessage, 1, "", strings.Repeat("x", keepOut)))
	for i := range 4 {
		o.bytes = append(o.bytes, frame(wire.OnMessage, 1, "", strings.Repeat("x", keepOut))...)
		o.wrote(size)
		if i == 2 {
			o.settle(size) // the first two are acknowledged
		}
	}
	if len(o.bytes) != 2*size {
		t.Fatalf("%d bytes are kept: nothing was freed", len(o.bytes))
	}
	if got := o.unread(2*size, 0); got != size {
		t.Errorf("two writes on the way: %d bytes, want %d", got, size)
	}
}

// What is taken back is gone from the outbox; half a written event stays, and so does a reply.
func TestTakeBack(t *testing.T) {
	reply, one, two := "reply", string(frame(wire.OnMessage, 1, "", "one")), string(frame(wire.OnMessage, 2, "", "two"))
	for n, want := range map[int]string{
		0: one + two, len(reply): one + two, len(reply) + 1: two, len(reply + one): two, len(reply + one + two): "",
	} {
		var o outbox
		o.bytes = []byte(reply)
		o.ofWorker()
		o.bytes = append(o.bytes, one+two...)
		o.wrote(n)
		if got := string(o.takeBack()); got != want || o.waiting() != len(reply+one+two)-n-len(want) {
			t.Errorf("%d bytes are written: %q, want %q; %d wait", n, got, want, o.waiting())
		}
	}
}
