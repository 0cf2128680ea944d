package callers

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Addresses are compared without zone, and IPv4 as IPv4.
func TestAddr(t *testing.T) {
	for is, want := range map[string]string{"::ffff:10.1.2.3": "10.1.2.3", "10.1.2.3": "10.1.2.3", "2001:db8::1%eth0": "2001:db8::1"} {
		a := netip.MustParseAddr(is)
		if got := addrOf(&net.TCPAddr{IP: a.AsSlice(), Zone: a.Zone()}); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", is, got, want)
		}
	}
	if addrOf(&net.UnixAddr{}).IsValid() {
		t.Error("a unix socket has an address")
	}
	if tcp, unix := From(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}), From(&net.UnixAddr{}); tcp != "10.0.0.1:5" || unix != "unix" {
		t.Errorf("%s, %s", tcp, unix)
	}
}

// A watch notices that the peer has gone; input ends it, and stays to be read.
func TestWatch(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(2))
	peer := dial(t, l)
	c := accept(t, l)
	stop := c.Watch(func() { t.Error("gone without having gone") })
	if _, err := io.WriteString(peer, "x"); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); !c.hasInput(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the input has not come")
		}
	}
	stop()
	if n, err := c.Read(make([]byte, 5)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	gone := make(chan struct{})
	stop = c.Watch(func() { close(gone) })
	_ = peer.(*net.TCPConn).CloseWrite()
	<-gone
	stop()
}

// A connection that lingers reads on until its peer has read the answer.
func TestLinger(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(2))
	peer := dial(t, l)
	c := accept(t, l)
	if _, err := io.WriteString(peer, "unread"); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); !c.hasInput(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the input has not come")
		}
	}
	_, _ = io.WriteString(c, "answer")
	c.Linger()
	closed := make(chan struct{})
	go func() { _ = c.Close(); close(closed) }()
	if said, err := io.ReadAll(peer); string(said) != "answer" || err != nil {
		t.Errorf("told %q, %v", said, err)
	}
	_ = peer.Close()
	<-closed
	if n := len(l.Conns()); n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}
