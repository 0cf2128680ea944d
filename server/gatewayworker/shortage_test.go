package gatewayworker

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
)

// A send that fails temporarily loses no reply, and one that fails for good ends
// only that connection.
func TestSendErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	other := r.dial()
	query := frame(wire.IsOnline, 0, "", "")
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM} {
		for times := range 4 {
			if errno == unix.EAGAIN {
				times = min(times, 1) // a second one needs an edge in between
			}
			c := r.dial()
			f.writes.Set(errno, times)
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			if got := readReply(t, c); got != "i:0;" {
				t.Errorf("%v, %d times: %q", errno, times, got)
			}
			_ = c.Close()
		}
	}
	r.await("nothing waits", func() bool { return r.front.count.waiting.Load() == 0 })
	for _, errno := range []unix.Errno{unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.EBADF} {
		c := r.dial()
		f.writes.Set(errno, 1)
		if _, err := c.Write(query); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, errno.Error(), c)
	}
	if _, err := other.Write(query); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, other); got != "i:0;" {
		t.Errorf("the earlier connection: %q", got)
	}
}

// A peer that has shut down its half before its reply could be sent still gets it,
// and is then closed.
func TestSendErrorAfterTheEnd(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	c := r.dial()
	f.writes.Set(unix.ENOBUFS, 3)
	if _, err := c.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got := readReply(t, c); got != "i:0;" {
		t.Errorf("%q", got)
	}
	expectClosed(t, "after the reply", c)
}

// A worker for whose socket the kernel has no memory, or only room for a few bytes,
// stays attached and gets every event once, in order.
func TestWorkerSendErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	w := r.worker("w:0")
	c := r.client()
	w.counted(t, 2)
	sent := 0
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM} {
		for times := range 4 {
			if errno == unix.EAGAIN {
				times = min(times, 1) // a second one needs an edge in between
			}
			f.writes.Set(errno, times)
			for range 5 {
				if err := c.send(fmt.Sprint(sent)); err != nil {
					t.Fatal(err)
				}
				if e := w.next(t); e.Command != wire.OnMessage || e.body != fmt.Sprint(sent) {
					t.Fatalf("%v: %+v", errno, e)
				}
				sent++
			}
		}
	}
	f.crumbs.Store(true)
	for i := range 100 {
		if err := c.send(fmt.Sprint(i, strings.Repeat("m", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if e := w.next(t); e.body != fmt.Sprint(i, strings.Repeat("m", i)) {
			t.Fatalf("event %d: %q", i, e.body)
		}
	}
	f.crumbs.Store(false)
	if n := r.front.count.attaches.Load(); n != 1 {
		t.Errorf("attached %d times", n)
	}
}

// Reading one byte and writing a third of a reply at a time does not change
// commands and replies. (A read that does not fill its buffer has emptied the
// socket, so the buffer must be that small.)
func TestCrumbs(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	client := r.client()
	f.crumbs.Store(true)
	small := make(chan struct{})
	r.front.do(t.Context(), func(l *innerLoop) {
		l.reader.in = make([]byte, 1)
		close(small)
	}, small)
	c := r.dial()
	var in []byte
	session := strings.Repeat("s", 3000)
	in = append(in, frame(wire.SetSession, 1, session, "")...)
	for range 20 {
		in = append(in, frame(wire.SendToOne, 1, "", "m")...)
		in = append(in, frame(wire.SessionOfClient, 1, "", "")...)
	}
	if _, err := c.Write(in); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if got := readReply(t, c); got != session {
			t.Fatalf("reply %d: %d bytes", i, len(got))
		}
	}
	client.expect("20 messages", strings.Repeat("81016d", 20))
	f.crumbs.Store(false)
}

// A read that fails temporarily loses no command; one that fails for good ends only
// that connection.
func TestReadErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	other := r.dial()
	query := frame(wire.IsOnline, 0, "", "")
	for _, errno := range []unix.Errno{unix.EINTR, unix.ENOBUFS, unix.ENOMEM} {
		for times := range 4 {
			fresh, old := r.dial(), r.dial()
			for _, c := range []net.Conn{old, fresh} {
				f.reads.Set(errno, times)
				if _, err := c.Write(query); err != nil {
					t.Fatal(err)
				}
				if got := readReply(t, c); got != "i:0;" {
					t.Errorf("%v, %d times: %q", errno, times, got)
				}
			}
		}
	}
	for _, errno := range []unix.Errno{unix.ECONNRESET, unix.ETIMEDOUT, unix.EBADF} {
		c := r.dial()
		if _, err := c.Write(query); err != nil {
			t.Fatal(err)
		}
		readReply(t, c)
		f.reads.Set(errno, 1)
		if _, err := c.Write(query); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, errno.Error(), c)
	}
	if _, err := other.Write(query); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, other); got != "i:0;" {
		t.Errorf("the earlier connection: %q", got)
	}
}

// A connection that cannot be added to the epoll for lack of memory is added later.
// At the limit of epoll watches it is closed after its reply.
func TestEnrolErrors(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	query := frame(wire.IsOnline, 0, "", "")
	for times := range 4 {
		f.enrols.Set(unix.ENOMEM, times)
		c := r.dial()
		time.Sleep(5 * time.Millisecond) // it is connected and silent
		for range 3 {
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			if got := readReply(t, c); got != "i:0;" {
				t.Errorf("%d times: %q", times, got)
			}
		}
	}
	if n := r.front.count.acceptErrors.Load(); n != 0 {
		t.Errorf("%d errors", n)
	}
	f.accepts.Set(unix.EMFILE, 1) // so that the bytes are there when it is accepted
	f.enrols.Set(unix.ENOSPC, 1)
	c := r.dial()
	if _, err := c.Write(query); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, c); got != "i:0;" {
		t.Errorf("%q", got)
	}
	expectClosed(t, "no watch", c)
	if n := r.front.count.acceptErrors.Load(); n != 2 || r.front.count.closes[closeFull].Load() != 1 {
		t.Errorf("%d errors", n)
	}
	r.answers("")
}

// A stop waits for connections that the kernel had no memory for.
func TestDrainInShortage(t *testing.T) {
	f := newFaulty()
	r := startRigOn(t, &f.system, nil)
	client := r.client()
	for i := range 3 {
		f.reads.Set(unix.ENOBUFS, 1+i)
		r.tell(frame(wire.SendToOne, 1, "", "m"))
	}
	if err := r.front.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	client.expect("3 messages", strings.Repeat("81016d", 3))
}

// What the kernel had no memory for is repeated once, after a rest that begins with the first.
func TestShortage(t *testing.T) {
	l := newStillLoop(t, nil)
	a, as := l.connect(frame(wire.SendToOne, 1, "", "m"))
	b, _ := l.connect()
	l.writer.send(a, []byte("x"))
	l.shortage.tryLater(a, retryRead)
	l.pass(shortPause / 2)
	l.shortage.tryLater(a, retryWrite)
	l.shortage.tryLater(b, retryEnrol)
	l.shortage.tryLater(b, retryEnrol)
	if len(l.shortage.resting) != 2 || !l.shortage.ends().Equal(l.time.Add(shortPause/2)) {
		t.Fatalf("%d rest until %v", len(l.shortage.resting), l.shortage.ends())
	}
	l.pass(shortPause/2 - 1)
	if l.shortage.retry(); len(as.out)+len(l.server.calls) != 0 {
		t.Error("it is repeated too early")
	}
	l.pass(1)
	l.shortage.retry()
	if calls := l.server.heard(); string(as.out) != "x" || len(calls) != 1 || len(l.arrivals.fresh) != 1 {
		t.Errorf("%q written, %q, %d to enrol", as.out, calls, len(l.arrivals.fresh))
	}
	if !l.shortage.none() || !l.shortage.ends().IsZero() || a.retry != 0 {
		t.Error("something still rests")
	}
	l.shortage.tryLater(a, retryWrite)
	l.close(a, closePeer)
	l.pass(time.Hour)
	l.shortage.retry() // a closed one is left alone
	if string(as.out) != "x" {
		t.Errorf("%q", as.out)
	}
}
