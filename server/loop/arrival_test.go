package loop

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/kernel"
)

// socketPair returns a socket as accept does, and its peer.
func socketPair(t *testing.T) (fd, peer int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	return pair[0], pair[1]
}

// arriveAt hands the loop a socket as the acceptor does.
func arriveAt(t *testing.T, l *loop, fd int) {
	t.Helper()
	l.srv.sockets.Add(1)
	if !l.mail.arrive(Arrival{FD: fd, Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)}) {
		t.Fatal("the loop has ended")
	}
}

// A socket that arrives wakes no loop; its request does, and is answered in
// the same turn.
func TestRequestLandsItsSocket(t *testing.T) {
	l := idleLoop(t)
	fd, peer := socketPair(t)
	arriveAt(t, l, fd)
	if l.mail.rung.Load() {
		t.Error("the bell is rung for a socket")
	}
	if _, err := unix.Write(peer, []byte(sinkHead)); err != nil {
		t.Fatal(err)
	}
	if err := l.onEvent(fd, netpoll.ReadEvents, 0); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1024)
	n, err := unix.Read(peer, answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 101 ") {
		t.Errorf("%q, %v", answer[:max(n, 0)], err)
	}
}

// A socket that says nothing is taken in by a tick, so that its time runs.
func TestTickLandsSilentSockets(t *testing.T) {
	l := idleLoop(t)
	fd, peer := socketPair(t)
	arriveAt(t, l, fd)
	l.clock.tick()
	if _, c := l.connOf(fd); c == nil || c.state != connHandshake {
		t.Fatalf("after a tick the connection is %+v", c)
	}
	for range l.srv.ticks.Load().Handshake + 2 {
		l.clock.began -= kernel.Tick
		l.clock.tick()
	}
	answer := make([]byte, 1024)
	if n, err := unix.Read(peer, answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 408 ") {
		t.Errorf("%q, %v", answer[:max(n, 0)], err)
	}
}

// A socket that could not be put into the poller is closed.
func TestUnwatchedSocketIsClosed(t *testing.T) {
	l := idleLoop(t)
	fd, peer := socketPair(t)
	l.srv.sockets.Add(1)
	l.mail.arrivals = append(l.mail.arrivals, Arrival{FD: fd})
	l.entrance.takeIn()
	if n, err := unix.Read(peer, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read %d, %v, want the end", n, err)
	}
	if n := l.srv.sockets.Load(); n != 0 {
		t.Errorf("%d sockets are counted", n)
	}
}

// A loop that has ended takes nothing in, and closes what had arrived.
func TestEndedLoopTakesNoSocket(t *testing.T) {
	l := idleLoop(t)
	fd, peer := socketPair(t)
	arriveAt(t, l, fd)
	l.end()
	l.ticker, l.bell = -1, -1 // the idle loop's cleanup ends it again
	if n, err := unix.Read(peer, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read %d, %v, want the end", n, err)
	}
	late, _ := socketPair(t)
	defer unix.Close(late)
	if l.mail.arrive(Arrival{FD: late}) {
		t.Error("a socket was taken")
	}
	if n := l.srv.sockets.Load(); n != 0 {
		t.Errorf("%d sockets are counted", n)
	}
}
