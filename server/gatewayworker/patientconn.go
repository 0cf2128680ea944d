package gatewayworker

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stream is what is used of a *net.TCPConn.
type stream interface {
	net.Conn
	CloseWrite() error
}

// patientConn is a connection that outlives the kernel's being short of memory
// for it: package net takes that for its end, and a Register would tell its
// workers of a gateway that has not left. Deadlines and Close hold.
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

// waited returns true after a pause if an error will pass.
func waited(err error) bool {
	if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.ENOMEM) {
		return false
	}
	time.Sleep(shortPause)
	return true
}
