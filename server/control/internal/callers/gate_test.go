package callers

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// Connections that wait when the listener leaves are accepted, and none that come
// later.
func TestLeave(t *testing.T) {
	const waiting = 5
	for _, address := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "control.sock")} {
		l := listening(t, address, roomFor(waiting))
		var asked []net.Conn
		for range waiting {
			c := dial(t, l)
			if _, err := io.WriteString(c, "G"); err != nil {
				t.Fatal(err)
			}
			asked = append(asked, c)
		}
		all := make(chan int)
		go func() {
			n := 0
			for {
				if _, err := l.Accept(); err != nil {
					all <- n
					return
				}
				n++
			}
		}()
		l.Leave(context.Background(), true)()
		if n := <-all; n != waiting {
			t.Errorf("%s: %d of %d were accepted", address, n, waiting)
		}
		if c, err := net.Dial(l.Addr().Network(), l.Addr().String()); err == nil {
			_ = c.Close()
			t.Errorf("%s: one more was connected", address)
		}
		if n := len(l.Conns()); n != waiting {
			t.Errorf("%s: %d connections are open, although all have sent something", address, n)
		}
		l.Abort()
		for _, c := range asked {
			if said, err := io.ReadAll(c); len(said) > 0 {
				t.Errorf("%s: told %q, %v", address, said, err)
			}
		}
	}
}

// A listener that leaves closes who has said nothing, in time.
func TestLeaveSilent(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(2))
	silent := dial(t, l)
	accept(t, l)
	_ = l.Leave(context.Background(), false)
	if said, err := io.ReadAll(silent); len(said) > 0 || err != nil {
		t.Errorf("told %q, %v", said, err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
}

// A listener that cannot be shared is not handed over.
func TestHandOverAlone(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(2))
	l.HandOver()
	dial(t, l)
	accept(t, l)
	shared := roomFor(2)
	shared.ReusePort = true
	l = listening(t, "127.0.0.1:0", shared)
	go func() { _, _ = l.Accept() }()
	l.HandOver()
	<-l.gate.emptied
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("connected although nobody listens any longer")
	}
}
