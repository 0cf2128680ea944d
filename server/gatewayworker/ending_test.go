package gatewayworker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// hold keeps the inner loop busy until release, which runs then on it.
func (r *rig) hold() (release func(then func(l *innerLoop))) {
	busy, next := make(chan struct{}), make(chan func(l *innerLoop))
	r.front.loop.tasks <- func(l *innerLoop) {
		close(busy)
		(<-next)(l)
	}
	r.front.loop.bell.Ring()
	<-busy
	return func(then func(l *innerLoop)) { next <- then }
}

func nothing(*innerLoop) {}

// toClient is a command that sends a text of one byte to a client, and what the
// client receives.
func toClient(id uint32, text string) (command []byte, got string) {
	return frame(wire.SendToOne, id, "", text), fmt.Sprintf("8101%02x", text[0])
}

// takeFrames reads exactly n frames and returns their number of bytes.
func takeFrames(t *testing.T, c net.Conn, n int) (bytes int) {
	t.Helper()
	for range n {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			t.Fatal(err)
		}
		size := int(binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(c, make([]byte, size-4)); err != nil {
			t.Fatal(err)
		}
		bytes += size
	}
	return bytes
}

// written returns how many bytes the inner loop has written. The loop itself answers,
// so bytes that somebody has read are counted.
func (r *rig) written() uint64 {
	r.t.Helper()
	var n uint64
	done := make(chan struct{})
	if !r.front.do(context.Background(), func(l *innerLoop) { n = l.count.bytesOut.Load(); close(done) }, done) {
		r.t.Fatal("the inner loop has ended")
	}
	return n
}

// Commands that a worker sent before it was killed are executed, even if the
// gateway notices the end when it writes to the worker.
func TestLastWordsOfKilledWorker(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
	w := r.mute("w:0")
	c := r.client()
	r.await("its connect was sent", func() bool { return r.front.count.events.Load() == 2 && r.front.count.waiting.Load() == 0 })
	release := r.hold()
	if err := c.send("m"); err != nil {
		t.Fatal(err)
	}
	r.await("the message is there", func() bool { bytes, _, _ := r.front.queue.waiting(); return bytes > 0 })
	command, got := toClient(1, "x")
	release(func(l *innerLoop) {
		_, _ = w.Write(command)
		_ = w.Close() // with unread data: a reset
		l.delivery.deliver()
	})
	c.expect("before the worker was killed", got)
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	if e := r.worker("w:0").next(t); e.body != "m" {
		t.Fatalf("%+v", e)
	}
}

// Commands of an API client that leaves without reading its replies are executed.
func TestLastWordsOfCaller(t *testing.T) {
	r := startRig(t, nil)
	w := r.worker("w:0")
	c := r.client()
	w.counted(t, 2)
	caller, before := r.dial(), r.written()
	if _, err := caller.Write(frame(wire.IsOnline, 1, "", "")); err != nil {
		t.Fatal(err)
	}
	r.await("it is answered", func() bool { return r.written() > before })
	release := r.hold()
	command, got := toClient(1, "x")
	release(func(l *innerLoop) {
		_, _ = caller.Write(command)
		from := tcpAddr(caller.LocalAddr())
		_ = caller.Close() // with unread data: a reset
		for inner := range l.connections.all() {
			if inner.peer == from {
				l.writer.send(inner, []byte("a reply that nobody reads"))
			}
		}
	})
	c.expect("before the caller left", got)
	r.await("it is closed", func() bool { return r.front.count.connections.Load() == 1 && r.front.count.waiting.Load() == 0 })
}

// Commands of a worker are executed before another worker replaces it.
func TestLastWordsOfReplacedWorker(t *testing.T) {
	r := startRig(t, nil)
	old := r.mute("w:0")
	c := r.client()
	r.await("its connect was sent", func() bool { return r.front.count.events.Load() == 2 && r.front.count.waiting.Load() == 0 })
	successor := r.dial()
	r.await("it is accepted", func() bool { return r.front.count.connections.Load() == 2 })
	release := r.hold()
	if _, err := successor.Write(frame(wire.WorkerConnect, 0, "", `{"worker_key":"w:0","secret_key":""}`)); err != nil {
		t.Fatal(err)
	}
	command, got := toClient(1, "x")
	if _, err := old.Write(command); err != nil {
		t.Fatal(err)
	}
	release(nothing)
	c.expect("before the worker was replaced", got)
	r.await("the old one is closed", func() bool { return r.front.count.connections.Load() == 1 })
	if n := r.front.count.workers.Load(); n != 1 {
		t.Errorf("%d workers", n)
	}
}

// A worker is killed that has read nothing. Only the events in its kernel are lost.
// The next worker gets everything from the first unacknowledged event on, in order.
func TestKilledWorkerLosesWhatItsKernelHad(t *testing.T) {
	const messages, size = 4000, wire.HeaderLen + 5
	var mu sync.Mutex
	var gone *innerConn
	refused := -1 // bytes that the worker has certainly not read, once it was gone
	sys := linux
	sys.unacknowledged = func(fd int) (int, int, bool) {
		n, unsent, closed := linux.unacknowledged(fd)
		mu.Lock()
		defer mu.Unlock()
		if closed && refused < 0 {
			if refused = n; gone.reset {
				refused = gone.out.unread(n, unsent) // on a busy machine several writes are on the way
			}
		}
		return n, unsent, closed
	}
	r := startRigOn(t, &sys, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
	w := r.mute("w:0")
	_ = w.(*net.TCPConn).SetReadBuffer(8 << 10)
	c := r.client()
	before := takeFrames(t, w, 2)
	for i := range messages {
		if err := c.send(fmt.Sprintf("%05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.await("the worker's socket is full", func() bool {
		bytes, _, _ := r.front.queue.waiting()
		return r.front.count.waiting.Load() > 0 && r.front.count.events.Load()+uint64(bytes/size) == 2+messages
	})
	release := r.hold()
	command, got := toClient(1, "x")
	release(func(l *innerLoop) { // epoll reports the end together with room to write
		mu.Lock()
		gone = l.delivery.workers.list[0].conn
		mu.Unlock()
		_, _ = w.Write(command)
		_ = w.Close()
	})
	c.expect("before the worker was killed", got)
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	mu.Lock()
	taken := int(r.front.count.bytesOut.Load()) - before - refused
	mu.Unlock()
	if refused <= 0 || taken < 0 {
		t.Fatalf("%d bytes were refused, %d taken: this shows nothing", refused, taken)
	}
	next := r.worker("w:0")
	for i := taken / size; i < messages; i++ {
		if e := next.next(t); e.body != fmt.Sprintf("%05d", i) {
			t.Fatalf("%+v instead of message %d; %d bytes were taken", e, i, taken)
		}
	}
}

// A worker ends its side while an event is on the way to it. The gateway waits for
// the outcome: if the event is refused it goes to another worker, if it is accepted
// it does not.
func TestEventOnTheWayToWorkerThatEnds(t *testing.T) {
	for _, taken := range []bool{false, true} {
		var mu sync.Mutex
		way := -1 // bytes on the way, unless it is -1
		asked, gone := 0, false
		sys := linux
		sys.unacknowledged = func(fd int) (int, int, bool) {
			mu.Lock()
			defer mu.Unlock()
			if way < 0 {
				return linux.unacknowledged(fd)
			}
			asked++
			return way, 0, gone
		}
		r := startRigOn(t, &sys, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
		w := r.worker("w:0")
		c := r.client()
		w.counted(t, 2)
		if err := c.send("on the way"); err != nil {
			t.Fatal(err)
		}
		w.counted(t, 1)
		mu.Lock()
		way = wire.HeaderLen + len("on the way")
		mu.Unlock()
		_ = w.conn.(*net.TCPConn).CloseWrite()
		r.await("what is on the way is asked for", func() bool { mu.Lock(); defer mu.Unlock(); return asked >= 2 })
		if err := c.send("behind it"); err != nil {
			t.Fatal(err)
		}
		r.await("that is there", func() bool { bytes, _, _ := r.front.queue.waiting(); return bytes > 0 })
		mu.Lock()
		if gone = !taken; taken {
			way = 0
		}
		mu.Unlock()
		r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
		for e := range w.events {
			t.Errorf("taken %v: %+v for a worker that had ended", taken, e)
		}
		next := r.worker("w:0")
		if e := next.next(t); !taken && e.body != "on the way" || taken && e.body != "behind it" {
			t.Fatalf("taken %v: %+v", taken, e)
		}
		if !taken {
			if e := next.next(t); e.body != "behind it" {
				t.Fatalf("%+v", e)
			}
		}
	}
}

// A worker has read an event and handled it without an answer. Its kernel has
// acknowledged neither this event nor the next, which the worker has not read when
// it is killed. The next event goes to another worker, and the first is not handled
// twice.
func TestNothingHappensTwice(t *testing.T) {
	const size = wire.HeaderLen + 1
	for on, want := range map[int]string{2 * size: "b", size: "b", 0: "c"} {
		sys := linux
		sys.unacknowledged = func(fd int) (int, int, bool) {
			_, _, gone := linux.unacknowledged(fd)
			return on, 0, gone
		}
		r := startRigOn(t, &sys, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
		w := r.mute("w:0")
		c := r.client()
		takeFrames(t, w, 2)
		say := func(text string) {
			t.Helper()
			out := r.written()
			if err := c.send(text); err != nil {
				t.Fatal(err)
			}
			r.await("it is written", func() bool { return r.written() == out+size })
		}
		say("a")
		takeFrames(t, w, 1)
		say("b")
		_ = w.Close()
		r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
		if err := c.send("c"); err != nil {
			t.Fatal(err)
		}
		if e := r.worker("w:0").next(t); e.body != want {
			t.Errorf("%d bytes were on the way, the next worker gets %+v, want %s", on, e, want)
		}
	}
}
