package kernel

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connection is the two ends of a TCP connection; the first does not block.
func connection(t *testing.T) (fd int, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	peer, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for fd = -1; fd < 0; {
		if err := raw.Control(func(l uintptr) { fd, _, err = Linux.Accept(int(l)) }); err != nil {
			t.Fatal(err)
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { Linux.Close(fd); _ = peer.Close() })
	return fd, peer
}

// Short and long writes arrive alike; a full socket takes nothing more; and the flow
// tells of a peer that does not read.
func TestWritesAndFlow(t *testing.T) {
	fd, peer := connection(t)
	if f := Linux.Flow(fd); f.Waits || f.Acked != 0 {
		t.Errorf("before a byte was sent: %+v", f)
	}
	for _, size := range []int{1, rawSendLen, rawSendLen + 1} {
		sent := bytes.Repeat([]byte{7}, size)
		got := make([]byte, size)
		done := make(chan error, 1)
		go func() {
			_, err := readFull(peer, got)
			done <- err
		}()
		for rest := sent; len(rest) > 0; {
			n, err := Linux.Write(fd, rest)
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			rest = rest[max(n, 0):]
		}
		if err := <-done; err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes did not arrive: %v", size, err)
		}
	}
	if n, err := Linux.Write(fd, nil); n != 0 || err != nil {
		t.Errorf("a write of nothing: %d, %v", n, err)
	}
	for {
		if _, err := Linux.Write(fd, make([]byte, 32<<10)); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	f := Linux.Flow(fd)
	if !f.Waits || f.Acked < 2*rawSendLen || Linux.Unsent(fd) == 0 {
		t.Errorf("full: %+v, %d unsent", f, Linux.Unsent(fd))
	}
}

func readFull(c net.Conn, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.Read(p[n:])
		n += m
	}
	return n, err
}

// A socket that is no TCP socket takes nothing: whoever asks gives up on it.
func TestFlowOfNoSocket(t *testing.T) {
	if f := Linux.Flow(-1); f.Waits || f.Still < time.Hour {
		t.Errorf("%+v", f)
	}
}

// The ticker fires; monotonic time does not go back.
func TestClocks(t *testing.T) {
	fd, err := Linux.Ticker(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer Linux.Close(fd)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for n := 0; n == 0; {
		if n, err = unix.Poll(p, -1); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	began := Linux.Elapsed()
	if Linux.Elapsed() < began {
		t.Error("time went back")
	}
}
