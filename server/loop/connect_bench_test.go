package loop

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/server/reason"
)

// connected is a connection of an idle loop and the peer's end of its socket.
type connected struct {
	slot uint32
	*conn
	peer int
}

// connect takes one end of a pair of sockets in and returns the handshake that
// comes from the other.
func (l *loop) connect(t testing.TB) connected { return l.connectWith(t, sinkHeadBytes) }

var sinkHeadBytes = []byte(sinkHead)

func (l *loop) connectWith(t testing.TB, head []byte) connected {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.srv.sockets.Add(1)
	l.mail.arrive(Arrival{FD: pair[0], Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)})
	l.entrance.takeIn()
	if _, err := unix.Write(pair[1], head); err != nil {
		t.Fatal(err)
	}
	slot, _ := l.srv.fds.Get(pair[0])
	c := l.conn(slot)
	l.reader.readable(slot, c)
	if c.state != connOpen {
		t.Fatalf("connection in state %d", c.state)
	}
	return connected{slot, c, pair[1]}
}

func (l *loop) disconnect(c connected) {
	l.exit.closeNow(c.slot, c.conn, reason.Gone)
	_ = unix.Close(c.peer)
}

// BenchmarkConnect counts what a connection costs a loop, the kernel's part
// for a pair of Unix sockets included: socketpair, epoll_ctl, two writes, a
// read and two closes.
func BenchmarkConnect(b *testing.B) {
	l := idleLoop(b)
	b.ReportAllocs()
	for b.Loop() {
		l.disconnect(l.connect(b))
	}
}

// BenchmarkHandshake is the same without a kernel: a socket taken in, answered
// and closed.
func BenchmarkHandshake(b *testing.B) {
	k := NewSink(b, 1, 16)
	l := k.loops[0]
	b.ReportAllocs()
	for b.Loop() {
		h := k.Connect(b, 0)
		l.exit.closeNow(h.Slot(), l.conn(h.Slot()), reason.Gone)
	}
}
