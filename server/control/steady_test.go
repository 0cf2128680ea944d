package control

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

// Connections of the port are steady, their sockets hold little unsent data,
// and a caller that reads nothing is cut off.
func TestSteadyPort(t *testing.T) {
	p := start(t, func(c *Config) { c.WriteTimeout = time.Second })
	p.fake.rows = 1 << 20
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(8 << 10)
	if _, err := io.WriteString(conn, "GET /v1/clients HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); len(p.listener.places.all()) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for _, c := range p.listener.places.all() {
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
	for end := time.Now().Add(time.Minute); len(p.listener.places.all()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who reads nothing is not cut off")
		}
	}
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
