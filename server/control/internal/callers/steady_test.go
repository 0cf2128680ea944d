package callers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel holds little unsent of what is written to a connection.
func TestLittleUnsent(t *testing.T) {
	l := listening(t, "127.0.0.1:0", roomFor(1))
	dial(t, l)
	c := accept(t, l)
	raw, err := c.Conn.(*steadyConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); n != unsentLen || err != nil {
			t.Errorf("TCP_NOTSENT_LOWAT is %d, %v", n, err)
		}
	})
}

// Each piece that is written has its own time limit.
func TestSteadyConn(t *testing.T) {
	ours, theirs := net.Pipe()
	c := &steadyConn{Conn: ours}
	const allowed = 500 * time.Millisecond
	_ = c.SetWriteDeadline(time.Now().Add(allowed))
	sent := bytes.Repeat([]byte("steady"), 20_000)
	got := make(chan []byte, 1)
	go func() {
		var b bytes.Buffer
		for b.Len() < len(sent) {
			time.Sleep(allowed / 5) // eight pieces take longer than one may
			_, _ = io.CopyN(&b, theirs, min(pieceLen, int64(len(sent)-b.Len())))
		}
		got <- b.Bytes()
	}()
	if n, err := c.Write(sent); n != len(sent) || err != nil {
		t.Fatalf("%d bytes written of %d: %v", n, len(sent), err)
	}
	if !bytes.Equal(<-got, sent) {
		t.Error("other bytes were read")
	}
	if n, err := c.Write(sent); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("to who does not read: %d bytes written, %v", n, err)
	}
}
