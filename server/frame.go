package server

import (
	"bytes"
	"sync/atomic"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
)

// frame is one encoded WebSocket frame. It is immutable: all receivers on all
// loops share it, and the garbage collector frees it after the last.
type frame struct {
	bytes []byte // as an RFC 6455 frame, the form of most clients
	// others are the message in other forms, made by the pusher for the
	// clients that want them; nil if there are none. See frame.as.
	others *[forms][]byte
	// counted frames are deliveries of a push and end in exactly one counter;
	// others (init, pong, close, echo) are the gateway's own.
	counted bool
	wait    *pushWait // nil unless the pusher waits
}

func controlFrame(bytes []byte) *frame { return &frame{bytes: bytes} }

// newPushFrame encodes a message once for all receivers.
func newPushFrame(m *gateway.Message, wait *pushWait) *frame {
	var f *frame
	if m.Raw {
		f = &frame{bytes: bytes.Clone(m.Payload)}
	} else {
		f = newMessageFrame(m.Payload, m.Binary)
	}
	f.counted, f.wait = true, wait
	return f
}

// newMessageFrame encodes a message of the gateway's own.
func newMessageFrame(payload []byte, binary bool) *frame {
	op := ws.OpText
	if binary {
		op = ws.OpBinary
	}
	b := make([]byte, 0, codec.FrameLen(len(payload)))
	return &frame{bytes: codec.AppendFrame(b, op, payload)}
}

// pushWait lets a pusher wait for the end of each delivery.
type pushWait struct {
	written, dropped atomic.Int64
	// open counts deliveries that have not ended. It starts at waitHold so
	// that it can't reach 0 before the number of deliveries is known.
	open atomic.Int64
	done chan struct{}
}

const waitHold = 1 << 40

func newPushWait() *pushWait {
	w := &pushWait{done: make(chan struct{})}
	w.open.Store(waitHold)
	return w
}

// matched tells how many deliveries there are in all.
func (w *pushWait) matched(n int) { w.add(int64(n) - waitHold) }

func (w *pushWait) add(n int64) {
	if w.open.Add(n) == 0 {
		close(w.done)
	}
}
