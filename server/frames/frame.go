package frames

import (
	"sync/atomic"
	"time"

	"castgate/codec"
)

// Frame is one encoded WebSocket frame. It is immutable, but for the count of its
// deliveries: all receivers on all loops share it, and the garbage collector frees it
// after the last.
type Frame struct {
	Bytes []byte // as an RFC 6455 frame, the form of most clients
	// others are the message in other forms, made by the pusher for the
	// clients that want them; nil if there are none. See As.
	others *[NumForms][]byte
	// Counted frames are deliveries of a push and end in exactly one counter;
	// others (init, pong, close, echo) are the gateway's own.
	Counted bool
	Wait    *Wait // nil unless the pusher waits

	began time.Duration // see Time; 0 if this push is not timed
	many  bool          // see Time
	open  atomic.Int64  // deliveries that have not ended, as in Wait
}

// Time begins to time a push that was asked for at a moment, which is not 0. The pusher
// calls it before the frame goes to the loops, and Matched afterwards. many says that
// the push may be to many.
func (f *Frame) Time(began time.Duration, many bool) {
	f.began, f.many = began, many
	f.open.Store(waitHold)
}

// Timed tells whether Time was called.
func (f *Frame) Timed() bool { return f.began != 0 }

// Began is when a push that is timed was asked for.
func (f *Frame) Began() time.Duration { return f.began }

// Many tells whether a timed push may be to many.
func (f *Frame) Many() bool { return f.many }

// Matched tells how many deliveries there are. Like Ended it tells whether the last of
// them has just ended.
func (f *Frame) Matched(n int) (last bool) { return f.Ended(waitHold - n) }

// Ended tells of a push that is timed that n deliveries have ended, and returns whether
// the last of all has. Any goroutine. The count is shared by the loops: a loop with many
// deliveries tells them together.
func (f *Frame) Ended(n int) (last bool) { return f.open.Add(int64(-n)) == 0 }

// Control makes a frame of encoded bytes that is not the delivery of a push: a control
// frame, or an answer to a request. It keeps them.
func Control(bytes []byte) *Frame { return &Frame{Bytes: bytes} }

// Wait lets a pusher wait until each delivery of its push has ended. Any goroutine may
// call its methods.
type Wait struct {
	succeeded, failed atomic.Int64
	// open counts deliveries that have not ended. It starts at waitHold so
	// that it can't reach 0 before the number of deliveries is known.
	open atomic.Int64
	done chan struct{}
}

const waitHold = 1 << 40

// NewWait returns a Wait that Matched has yet to be called of.
func NewWait() *Wait {
	w := &Wait{done: make(chan struct{})}
	w.open.Store(waitHold)
	return w
}

// Matched sets how many deliveries there are in all. It must be called once.
func (w *Wait) Matched(n int) { w.add(int64(n) - waitHold) }

// Written notes that a delivery has ended with success.
func (w *Wait) Written() {
	w.succeeded.Add(1)
	w.add(-1)
}

// Dropped notes that n deliveries have ended without.
func (w *Wait) Dropped(n int) {
	w.failed.Add(int64(n))
	w.add(int64(-n))
}

// Ended returns a channel that is closed when all deliveries have ended.
func (w *Wait) Ended() <-chan struct{} { return w.done }

// Counts returns how many deliveries have ended so far.
func (w *Wait) Counts() (written, dropped int) {
	return int(w.succeeded.Load()), int(w.failed.Load())
}

func (w *Wait) add(n int64) {
	if w.open.Add(n) == 0 {
		close(w.done)
	}
}

// addPlain adds to the frame of a message the plain forms of set. That of
// bytes is a part of the frame that is there.
func (f *Frame) addPlain(payload []byte, set Set) {
	for m := Line; m < NumForms && set != 0; m++ {
		if !set.has(m) {
			continue
		}
		if f.others == nil {
			f.others = new([NumForms][]byte)
		}
		if m == Bytes {
			f.others[m] = f.Bytes[len(f.Bytes)-len(payload):]
			continue
		}
		f.others[m] = m.appendMessage(make([]byte, 0, len(payload)+codec.CountLen), 0, payload)
	}
}

// CloseCode is the code of a close frame, 0 for nil or with none in it.
func (f *Frame) CloseCode() int {
	if f == nil || len(f.Bytes) < 4 {
		return 0
	}
	return int(f.Bytes[2])<<8 | int(f.Bytes[3])
}
