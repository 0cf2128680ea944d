package loop

import (
	"testing"
	"time"

	"castgate/server/gateway"
)

// writers are clients of one loop whose writes are counted, on a clock that the test
// drives. What they have been pushed has not been written.
type writers struct {
	k       *Sink
	l       *loop
	now     time.Duration
	written int
	onWrite func() // before each write
}

// newWriters makes n of them, and pushes to all so many times.
func newWriters(t *testing.T, n, pushes int) *writers {
	t.Helper()
	k := NewSink(t, 1, n)
	w := &writers{k: k, l: k.loops[0], onWrite: func() {}}
	for i := range n {
		k.Connect(t, i)
	}
	k.Turns(t)
	w.l.sys.Write = func(_ int, p []byte) (int, error) {
		w.onWrite()
		w.written++
		return len(p), nil
	}
	w.l.sys.Elapsed = func() time.Duration { return w.now }
	for range pushes {
		if matched, err := k.PushAll(Delivery{Message: gateway.Message{Payload: []byte("hi")}}, nil); err != nil || matched != n {
			t.Fatal(matched, err)
		}
	}
	return w
}

// turn is one turn of the loop, after which somebody has yet to be written to or not.
func (w *writers) turn(t *testing.T, busy bool) {
	t.Helper()
	if err := w.l.turn(); err != nil {
		t.Fatal(err)
	}
	if w.l.fanout.busy() != busy || busy && !w.l.mail.rung.Load() {
		t.Fatalf("%d writes; the fan-out is busy: %v, the bell is rung: %v", w.written, w.l.fanout.busy(), w.l.mail.rung.Load())
	}
}

// While nobody else waits, a push is written in one turn.
func TestSlicesFollow(t *testing.T) {
	const clients = 10 * turnWrites
	w := newWriters(t, clients, 1)
	w.turn(t, false)
	if w.written != clients {
		t.Errorf("%d writes for %d clients", w.written, clients)
	}
}

// Sockets that may be ready wait for maxWriting and one slice more, not for a whole push.
func TestSlicesEndInTime(t *testing.T) {
	w := newWriters(t, 10*turnWrites, 1)
	w.onWrite = func() { w.now += maxWriting / (2*turnWrites - 1) }
	w.turn(t, true)
	if w.written < 2*turnWrites || w.written > 3*turnWrites {
		t.Errorf("%d writes in a turn, want about %d", w.written, 2*turnWrites)
	}
}

// What somebody posts, and what has been left for the next turn, waits for one slice.
func TestSlicesStopForOthers(t *testing.T) {
	for name, wait := range map[string]func(*loop){
		"a command": func(l *loop) { l.mail.post(command{kind: cmdFunc, run: func(*loop) {}}) },
		"a walk":    func(l *loop) { l.heart.walking = true },
	} {
		w := newWriters(t, 10*turnWrites, 1)
		w.onWrite = func() {
			if w.written == turnWrites/2 {
				wait(w.l)
			}
		}
		w.turn(t, true)
		if w.written != turnWrites {
			t.Errorf("%s: %d writes in a turn, want %d", name, w.written, turnWrites)
		}
	}
}

// Where pushes to all queue up, those who push get the core after each slice.
func TestSlicesOfManyPushes(t *testing.T) {
	w := newWriters(t, 10*turnWrites, 2)
	w.turn(t, true)
	if w.written != turnWrites {
		t.Errorf("%d writes in a turn, want %d", w.written, turnWrites)
	}
}
