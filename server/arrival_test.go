package server

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"castgate/server/admission"
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
	if !l.mail.arrive(arrival{fd: fd, addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)}) {
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
	for range l.srv.ticks.Load().handshake + 2 {
		l.clock.began -= tickLen
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
	l.mail.arrivals = append(l.mail.arrivals, arrival{fd: fd})
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
	if l.mail.arrive(arrival{fd: late}) {
		t.Error("a socket was taken")
	}
	if n := l.srv.sockets.Load(); n != 0 {
		t.Errorf("%d sockets are counted", n)
	}
}

// Whether a socket begins with a PROXY header is decided where its address is
// counted, so that a policy that changes in between moves no count from one
// address to another.
func TestTrustIsDecidedOnce(t *testing.T) {
	none, loopback := trusting("10.0.0.0/8"), trusting("127.0.0.0/8")
	const header = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n"
	for _, try := range []struct {
		name         string
		atAccept     []netip.Prefix
		later        []netip.Prefix
		status       int
		countedFirst int // and before the loop has it
	}{
		{"a stranger", none, loopback, 400, 1},
		{"a proxy", loopback, none, 101, 0},
	} {
		t.Run(try.name, func(t *testing.T) {
			policy := admission.Policy{TrustedProxies: try.atAccept, MaxConnsPerIP: 5}
			s := startServer(t, func(c *Config) { c.Loops, c.ProxyProtocol, c.Policy = 1, true, policy })
			release, held := make(chan struct{}), make(chan struct{})
			s.loops[0].mail.post(command{kind: cmdFunc, run: func(*loop) { close(held); <-release }})
			<-held
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			eventually(t, "the socket to be on its way", func() bool { return s.stats().Sockets == 1 })
			if n := s.stats().Addresses; n != try.countedFirst {
				t.Errorf("%d addresses are counted at accept", n)
			}
			policy.TrustedProxies = try.later
			set := make(chan error, 1)
			go func() { set <- s.SetPolicy(policy) }() // waits for the loop, which counts addresses
			eventually(t, "the other networks", func() bool { return slices.Equal(s.admission.Rules().Policy().TrustedProxies, try.later) })
			close(release)
			if err := <-set; err != nil {
				t.Fatal(err)
			}
			if got := exchange(t, c, header+upgradeRequest); got != try.status {
				t.Errorf("answered %d, want %d", got, try.status)
			}
			_ = c.Close()
			eventually(t, "the end", func() bool { return s.stats().Sockets == 0 })
			if n := s.stats().Addresses; n != 0 {
				t.Errorf("%d addresses are still counted", n)
			}
		})
	}
}
