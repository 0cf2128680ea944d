package frames

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// model is what a queue is to be: the frames that wait, and how many bytes of the first are
// written.
type model struct {
	frames []*Frame
	sent   int
}

func (m *model) bytes() (n int) {
	for _, f := range m.frames {
		n += len(f.Bytes)
	}
	return n - m.sent
}

// begun is the index of the last frame that has begun, -1 if none has.
func (m *model) begun(sealed int) int {
	part := m.sent + sealed
	if part == 0 || len(m.frames) == 0 {
		return -1
	}
	for i, f := range m.frames {
		if part -= len(f.Bytes); part <= 0 {
			return i
		}
	}
	return len(m.frames) - 1
}

// played is a queue that is played with, beside its model and another queue of the pool.
type played struct {
	*testing.T
	random    *rand.Rand
	pool      Pool
	q         Queue
	neighbour Queue
	m         model
	account   int // of bytes, by what the queue's methods return
}

// step does one thing, whichever.
func (p *played) step(f *Frame) {
	sealed := 0
	if p.random.IntN(4) == 0 {
		sealed = p.random.IntN(p.m.bytes() + 1)
	}
	behind, node := p.m.begun(sealed), p.q.Begun(&p.pool, WebSocket, sealed)
	if (behind < 0) != (node == 0) {
		p.Fatalf("begun up to %d, node %d", behind, node)
	}
	switch op := p.random.IntN(7); {
	case op < 2:
		p.account += p.q.Push(&p.pool, WebSocket, f)
		p.m.frames = append(p.m.frames, f)
	case op == 2:
		own, more := p.q.Insert(&p.pool, WebSocket, node, f)
		p.account += more
		p.m.frames = slices.Insert(p.m.frames, behind+1, f)
		if p.pool.At(own).Frame != f {
			p.Fatal("a node of another frame")
		}
	case op == 3 && behind+1 < len(p.m.frames):
		p.account += p.q.Replace(&p.pool, WebSocket, node, f)
		p.m.frames[behind+1] = f
	case op == 4:
		p.remove(behind, node)
	case op == 5 && !p.q.Empty() && p.random.IntN(4) == 0:
		got, less := p.q.Pop(&p.pool, WebSocket)
		if p.account -= less; got != p.m.frames[0] {
			p.Fatal("another frame is popped")
		}
		p.m.frames, p.m.sent = p.m.frames[1:], 0
	default:
		p.write(p.random.IntN(p.m.bytes() + 1))
	}
}

// remove drops the frame behind one.
func (p *played) remove(behind int, node uint32) {
	got, less := p.q.Remove(&p.pool, WebSocket, node)
	p.account -= less
	switch {
	case behind+1 == len(p.m.frames):
		if got != nil || less != 0 {
			p.Fatal("a frame is removed that is not there")
		}
	case got != p.m.frames[behind+1]:
		p.Fatal("another frame is removed")
	default:
		p.m.frames = slices.Delete(p.m.frames, behind+1, behind+2)
	}
}

// write has n bytes written.
func (p *played) write(n int) {
	p.account -= n
	p.q.Wrote(n)
	p.m.sent += n
	for n > 0 {
		var got *Frame
		if got, n = p.q.Take(&p.pool, WebSocket, n); got == nil {
			break
		}
		if p.m.sent < len(p.m.frames[0].Bytes) || got != p.m.frames[0] {
			p.Fatal("a frame ends too early")
		}
		p.m.sent -= len(got.Bytes)
		p.m.frames = p.m.frames[1:]
	}
	if len(p.m.frames) > 0 && p.m.sent >= len(p.m.frames[0].Bytes) {
		p.Fatal("a frame that is written does not end")
	}
}

// Whatever is pushed, inserted, replaced, removed and written in which pieces: the queue holds
// the frames that the model does, in its order, and its account is right.
func TestQueueIsItsModel(t *testing.T) {
	for seed := range uint64(200) {
		p := &played{T: t, random: rand.New(rand.NewPCG(5, seed))}
		other := Control([]byte("of another client"))
		p.neighbour.Push(&p.pool, WebSocket, other)
		for i := range 300 {
			p.step(Control([]byte(strings.Repeat("f", 1+p.random.IntN(40)) + fmt.Sprint(i))))
			if q := &p.q; q.Empty() != (len(p.m.frames) == 0) || int(q.Len()) != len(p.m.frames) || int(q.Bytes()) != p.m.bytes() || p.account != p.m.bytes() {
				t.Fatalf("seed %d: %d frames of %d bytes, by the returns %d; want %d of %d", seed, q.Len(), q.Bytes(), p.account, len(p.m.frames), p.m.bytes())
			}
			if p.pool.Used != len(p.m.frames)+1 {
				t.Fatalf("seed %d: %d nodes for %d frames", seed, p.pool.Used, len(p.m.frames)+1)
			}
		}
		var got []*Frame
		for !p.q.Empty() {
			f, less := p.q.Pop(&p.pool, WebSocket)
			got, p.account = append(got, f), p.account-less
		}
		if !slices.Equal(got, p.m.frames) || p.account != 0 || p.q != (Queue{}) {
			t.Errorf("seed %d: %d frames are left in another order, %d bytes: %+v", seed, len(got), p.account, p.q)
		}
		if f, _ := p.neighbour.Pop(&p.pool, WebSocket); f != other || p.pool.Used != 0 {
			t.Errorf("seed %d: the neighbour has lost its frame", seed)
		}
	}
}

// Small frames leave together, as many as fit; a large one leaves from where it lies.
func TestQueueGathers(t *testing.T) {
	const most = 100
	small, large := Control(bytes.Repeat([]byte("s"), 30)), Control(bytes.Repeat([]byte("l"), 50))
	for what, k := range map[string]struct {
		frames []*Frame
		sent   int
		want   int
		copied bool
	}{
		"one":                {[]*Frame{small}, 0, 30, false},
		"the rest of one":    {[]*Frame{small}, 7, 23, false},
		"three":              {[]*Frame{small, small, small}, 0, 90, true},
		"as many as fit":     {[]*Frame{small, small, small, small}, 0, 90, true},
		"the rest and more":  {[]*Frame{small, small, small, small}, 25, 95, true},
		"a large one":        {[]*Frame{large, small}, 0, 50, false},
		"a large one's rest": {[]*Frame{large, small}, 1, 79, true},
	} {
		var p Pool
		var q Queue
		for _, f := range k.frames {
			q.Push(&p, WebSocket, f)
		}
		q.Wrote(k.sent)
		q.Take(&p, WebSocket, k.sent)
		buf := make([]byte, 0, most)
		b, kept := q.Gather(&p, WebSocket, buf, most)
		if len(b) != k.want || &kept[:1][0] != &buf[:1][0] || (&b[0] == &buf[:1][0]) != k.copied {
			t.Errorf("%s: %d bytes, copied %v; want %d, %v", what, len(b), &b[0] == &buf[:1][0], k.want, k.copied)
		}
	}
}

func TestQueueLooksBehind(t *testing.T) {
	var p Pool
	var q Queue
	pong, push := Control([]byte{0x8a, 0}), Control([]byte{0x81, 0})
	for _, f := range []*Frame{pong, pong, push} {
		q.Push(&p, WebSocket, f)
	}
	if q.Behind(&p, 0) != pong || !q.Followed(&p, 0, IsPong) {
		t.Error("two pongs in a row are not seen")
	}
	if q.Remove(&p, WebSocket, 0); q.Followed(&p, 0, IsPong) {
		t.Error("a push is taken for a pong")
	}
	q.Remove(&p, WebSocket, 0)
	if q.Behind(&p, 0) != push || q.Followed(&p, 0, IsPong) {
		t.Error("the last frame has another one behind it")
	}
	if q.Remove(&p, WebSocket, 0); q.Behind(&p, 0) != nil {
		t.Error("an empty queue has a frame")
	}
}

// Pongs are cut as they were added, and the newest is known.
func TestPongs(t *testing.T) {
	var o Pongs
	if o.Owed() {
		t.Error("pongs are owed for no ping")
	}
	n := 0
	for full := false; !full; n++ {
		full = o.Add([]byte(fmt.Sprintf("%0*d", n%126, n)))
	}
	all, newest := o.Take()
	if len(all) < MostPongs || len(all) > MostPongs+127 || o.Owed() {
		t.Errorf("%d bytes at once", len(all))
	}
	if room := cap(o.bytes); room > 2*MostPongs {
		t.Errorf("room for %d bytes is kept", room)
	}
	cut := 0
	var last []byte
	for ; len(all) > 0; cut++ {
		last, all = CutPong(all)
		if !IsPong(Control(last)) || int(last[1]) != len(last)-2 {
			t.Fatalf("pong %d is % x", cut, last)
		}
	}
	if cut != n || !bytes.Equal(last, newest) {
		t.Errorf("%d pongs of %d; the newest is % x, not % x", cut, n, newest, last)
	}
	o.Add([]byte("x"))
	if o.Drop(); o.Owed() {
		t.Error("something is owed that was dropped")
	}
	if all, newest := o.Take(); len(all)+len(newest) != 0 {
		t.Errorf("% x", all)
	}
	pushed := Control([]byte{0x8a, 0})
	if pushed.Counted = true; IsPong(pushed) {
		t.Error("a pong that was pushed is taken for ours")
	}
}
