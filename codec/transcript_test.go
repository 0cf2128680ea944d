package codec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// kindOf names messages as testdata/frames does.
var kindOf = map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary"}

// transcript is what a Parser made of some input, in a form that does not
// depend on how the input was cut: pieces of a message are joined.
type transcript struct {
	events []string      // complete ones, as in testdata/frames
	open   string        // the message begun, unless an error ended it
	code   ws.StatusCode // of the error, 0 without
	rest   bool          // AtRest at the end
	taken  int           // bytes, unless an error ended it
}

func (a transcript) equal(b transcript) bool {
	return slices.Equal(a.events, b.events) &&
		a.open == b.open && a.code == b.code && a.rest == b.rest && a.taken == b.taken
}

func (a transcript) String() string {
	return fmt.Sprintf("%q open=%s code=%d rest=%t taken=%d", a.events, a.open, a.code, a.rest, a.taken)
}

// recorder feeds a Parser and checks on the way what Next promises.
type recorder struct {
	tb      testing.TB
	p       Parser
	max     int64
	out     transcript
	message []byte
	op      ws.OpCode // of the open message
	ended   bool
}

// record runs input, cut at the given ascending offsets, through a new Parser.
func record(tb testing.TB, input []byte, client bool, max int64, cuts ...int) transcript {
	tb.Helper()
	r := recorder{tb: tb, p: Parser{Client: client}, max: max}
	input = bytes.Clone(input) // Next unmasks in place
	from := 0
	for _, to := range append(cuts, len(input)) {
		r.feed(input[from:to])
		from = to
	}
	if r.op != 0 && r.out.code == 0 {
		r.out.open = fmt.Sprintf("%s %q", kindOf[r.op], r.message)
	}
	if r.out.code == 0 {
		r.out.rest = r.p.AtRest()
	}
	return r.out
}

// recordBytes feeds byte by byte.
func recordBytes(tb testing.TB, input []byte, client bool, max int64) transcript {
	tb.Helper()
	var cuts []int
	for i := 1; i < len(input); i++ {
		cuts = append(cuts, i)
	}
	return record(tb, input, client, max, cuts...)
}

func (r *recorder) feed(b []byte) {
	r.tb.Helper()
	for len(b) > 0 && !r.ended {
		before := bytes.Clone(b)
		n, ev, err := r.p.Next(b, r.max)
		if n < 0 || n > len(b) {
			r.tb.Fatalf("Next took %d of %d bytes", n, len(b))
		}
		if err != nil {
			r.fail(ev, err)
			return
		}
		if !bytes.Equal(b[n:], before[n:]) {
			r.tb.Fatalf("Next changed bytes that it did not take")
		}
		if n == 0 || ev.Kind == EventNone && n != len(b) {
			r.tb.Fatalf("Next took %d of %d bytes without an event", n, len(b))
		}
		r.out.taken += n
		r.event(ev, b[:n])
		b = b[n:]
	}
}

func (r *recorder) fail(ev Event, err error) {
	r.tb.Helper()
	var e *CloseError
	if !errors.As(err, &e) || e.Code == 0 || e.Reason == "" {
		r.tb.Fatalf("Next failed with %#v, want a *CloseError", err)
	}
	if ev.Kind != EventNone || ev.Data != nil {
		r.tb.Fatalf("an event beside the error %v: %+v", err, ev)
	}
	r.out.code, r.out.taken, r.ended = e.Code, 0, true
}

func (r *recorder) event(ev Event, taken []byte) {
	r.tb.Helper()
	switch ev.Kind {
	case EventNone:
		if ev.Data != nil || ev.First || ev.Last {
			r.tb.Fatalf("EventNone with content: %+v", ev)
		}
	case EventData:
		r.data(ev, taken)
	case EventPing, EventPong:
		name := map[EventKind]string{EventPing: "ping", EventPong: "pong"}[ev.Kind]
		r.out.events = append(r.out.events, fmt.Sprintf("%s %q", name, ev.Data))
	case EventClose:
		r.out.events = append(r.out.events, fmt.Sprintf("close %d %q", ev.Code, ev.Reason))
		r.ended = true
	default:
		r.tb.Fatalf("unknown event %+v", ev)
	}
}

func (r *recorder) data(ev Event, taken []byte) {
	r.tb.Helper()
	if ev.Op != ws.OpText && ev.Op != ws.OpBinary {
		r.tb.Fatalf("data of opcode %v", ev.Op)
	}
	if ev.First != (r.op == 0) || r.op != 0 && r.op != ev.Op {
		r.tb.Fatalf("piece of %v with First=%t in a message of %v", ev.Op, ev.First, r.op)
	}
	if len(ev.Data) == 0 && !ev.Last {
		r.tb.Fatalf("a piece without bytes that ends nothing")
	}
	if n := len(ev.Data); n > 0 && &ev.Data[n-1] != &taken[len(taken)-1] {
		r.tb.Fatalf("Data is not the end of the bytes taken")
	}
	if cap(ev.Data) > len(ev.Data) {
		r.tb.Fatalf("appending to Data would overwrite input")
	}
	r.op, r.message = ev.Op, append(r.message, ev.Data...)
	if int64(len(r.message)) > r.max {
		r.tb.Fatalf("a message of %d bytes passed the limit %d", len(r.message), r.max)
	}
	if ev.Last {
		r.out.events = append(r.out.events, fmt.Sprintf("%s %q", kindOf[r.op], r.message))
		r.op, r.message = 0, nil
	}
}
