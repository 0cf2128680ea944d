package register

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stream is the part of *net.TCPConn that is used.
type stream interface {
	net.Conn
	CloseWrite() error
}

// shortPause is how long a connection rests after the kernel had no memory for it.
const shortPause = 10 * time.Millisecond

// patientConn is a connection that survives a lack of kernel memory. Package net
// reports that as its end, and a Register would tell its workers that a gateway has
// left. Deadlines and Close work as usual.
type patientConn struct{ stream }

func (c patientConn) Read(p []byte) (int, error) {
	for {
		n, err := c.stream.Read(p)
		if n > 0 || !waited(err) {
			return n, err
		}
	}
}

func (c patientConn) Write(p []byte) (written int, err error) {
	for {
		n, err := c.stream.Write(p[written:])
		if written += n; !waited(err) {
			return written, err
		}
	}
}

// waited pauses and returns true if an error is temporary.
func waited(err error) bool {
	if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.ENOMEM) {
		return false
	}
	time.Sleep(shortPause)
	return true
}
