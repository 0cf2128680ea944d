package gatewayworker

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// Replies are written at the end of the turn, once, and each byte is counted while it waits.
func TestWriterCountsWhatWaits(t *testing.T) {
	l := newStillLoop(t, nil)
	a, as := l.connect()
	b, bs := l.connect()
	as.room = 3
	l.writer.send(a, []byte("hello"))
	l.writer.send(b, []byte("you"))
	l.writer.send(a, []byte("!"))
	if l.writer.allWaiting() != 9 || l.count.waiting.Load() != 9 || len(as.out)+len(bs.out) != 0 {
		t.Errorf("%d bytes wait, %q and %q are written", l.writer.allWaiting(), as.out, bs.out)
	}
	l.writer.flushAll()
	if string(as.out) != "hel" || string(bs.out) != "you" || l.writer.allWaiting() != 3 || l.count.bytesOut.Load() != 6 {
		t.Errorf("%q and %q are written, %d bytes wait", as.out, bs.out, l.writer.allWaiting())
	}
	if l.watched[a.fd]&unix.EPOLLOUT == 0 || l.watched[b.fd]&unix.EPOLLOUT != 0 {
		t.Errorf("epoll is to report %x and %x", l.watched[a.fd], l.watched[b.fd])
	}
	as.room = 100
	l.writer.flush(a)
	if string(as.out) != "hello!" || l.watched[a.fd]&unix.EPOLLOUT != 0 {
		t.Errorf("%q, and epoll is to report %x", as.out, l.watched[a.fd])
	}
	l.expectNoAccounts("all is written")
	l.writer.send(a, []byte("lost"))
	l.close(a, closeUnread)
	l.writer.send(a, []byte("too late"))
	l.writer.flushAll()
	l.expectNoAccounts("closed")
	if string(as.out) != "hello!" {
		t.Errorf("%q was written to a closed connection", as.out)
	}
}

// lastOut is when progress was last made: with the first byte that waits, or with a write.
func TestWriterNotesProgress(t *testing.T) {
	l := newStillLoop(t, nil)
	c, s := l.connect()
	s.room = 0
	l.pass(time.Minute)
	l.writer.send(c, []byte("one"))
	began := l.time
	l.pass(time.Minute)
	l.writer.send(c, []byte("two"))
	l.writer.flushAll()
	if !c.lastOut.Equal(began) {
		t.Errorf("what waits counts from %v on, want %v", c.lastOut, began)
	}
	s.room = 1
	if l.writer.flush(c); !c.lastOut.Equal(l.time) {
		t.Error("a byte that was written does not count")
	}
}

// Of the errors of write, some say nothing about the peer; the others end the connection, but
// only after what it has sent.
func TestWriterErrors(t *testing.T) {
	for _, k := range []struct {
		err                  error
		written, rests, ends bool
	}{
		{unix.EINTR, true, false, false}, {unix.EAGAIN, false, false, false},
		{unix.ENOBUFS, false, true, false}, {unix.ENOMEM, false, true, false},
		{unix.EPIPE, false, false, true}, {unix.ECONNRESET, false, false, true},
	} {
		l := newStillLoop(t, nil)
		c, s := l.connect(frame(wire.SendToOne, 1, "", "last words"))
		s.writes = []error{k.err}
		l.writer.send(c, []byte("x"))
		l.writer.flushAll()
		if string(s.out) == "x" != k.written || l.shortage.none() == k.rests || c.last > 0 != k.ends || c.reset != (k.err == unix.ECONNRESET) {
			t.Errorf("%v: %q, rests %v, ends %v, reset %v", k.err, s.out, !l.shortage.none(), c.last > 0, c.reset)
		}
		if c.closed {
			t.Errorf("%v: closed with commands unread", k.err)
		}
		if k.ends {
			l.expectNoAccounts(k.err.Error())
			l.reader.begin()
			l.reader.goOn()
			l.expectClosed(k.err.Error(), closePeer)
			if len(s.in) != 0 {
				t.Errorf("%v: what it sent is not read", k.err)
			}
		}
	}
}

// If epoll can't be asked to report room, the write is repeated after a rest.
func TestWriterWithoutWatch(t *testing.T) {
	l := newStillLoop(t, nil)
	c, s := l.connect()
	s.room, l.unwatch = 0, unix.ENOMEM
	l.writer.send(c, []byte("x"))
	l.writer.flushAll()
	if l.shortage.none() || c.wantWrite {
		t.Fatal("nobody tries again")
	}
	s.room, l.unwatch = 1, nil
	l.pass(shortPause)
	l.shortage.retry()
	if string(s.out) != "x" || !l.shortage.none() {
		t.Errorf("%q is written", s.out)
	}
}

// A worker gets feedBudget of events at once; then others have their turn, and epoll says when
// it goes on.
func TestWriterFeedsWorkersInTurns(t *testing.T) {
	l := newStillLoop(t, nil)
	w, s := l.attach("w:0")
	body := []byte(strings.Repeat("x", 60_000))
	const events = 40
	for i := range uint32(events) {
		l.queue.Message(gateway.EventClient{Connection: i + 1}, false, body)
	}
	l.delivery.deliver()
	l.writer.flushAll()
	if n := len(s.out); n < feedBudget || n > feedBudget+quickEvents*largeEvent || l.watched[w.fd]&unix.EPOLLOUT == 0 {
		t.Fatalf("%d bytes are written at once, and epoll is to report %x", n, l.watched[w.fd])
	}
	for range events {
		l.writer.flush(w)
	}
	if len(s.out) < events*len(body) || l.watched[w.fd]&unix.EPOLLOUT != 0 {
		t.Errorf("%d bytes are written, and epoll is to report %x", len(s.out), l.watched[w.fd])
	}
	l.expectNoAccounts("all is written")
}

// Nothing is written to a worker that has ended its side, since it would not read it.
func TestWriterSparesWorkersThatHaveEnded(t *testing.T) {
	l := newStillLoop(t, nil)
	w, s := l.attach("w:0")
	w.ended = true
	l.writer.send(w, []byte("x"))
	if l.writer.flush(w); len(s.out) != 0 {
		t.Errorf("%q", s.out)
	}
}
