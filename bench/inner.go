package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Commands of GatewayWorker's inner protocol (docs/gatewayworker-protocol.md
// section 3).
const (
	cmdSendToAll   = 6
	cmdSendToUID   = 14
	cmdSendToGroup = 22
)

// innerHeader is the length of a frame's header (section 2).
const innerHeader = 28

// appendInner appends a frame with a plain body. It is built here and not by
// castgate's codec, so that a mistake cannot hide on both sides.
func appendInner(dst []byte, command byte, ext, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(innerHeader+len(ext)+len(body)))
	dst = append(dst, command)
	dst = append(dst, make([]byte, 16)...)                     // addresses, connection id: 0 towards a gateway
	dst = append(dst, 1, 0, 0)                                 // a plain body; no port
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(ext))) // ext follows
	return append(append(dst, ext...), body...)
}

// innerCaller is a PHP process that calls GatewayClient: every command on a
// connection of its own, which is written to and closed at once, without an
// answer. It may be used by one goroutine.
type innerCaller struct {
	to         unix.SockaddrInet4
	out        []byte
	connection uint32 // the client of the next command
}

func newInnerCaller(address string) (*innerCaller, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().Is4() {
		return nil, fmt.Errorf("inner port: %q is not an IPv4 address and port", address)
	}
	return &innerCaller{to: unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}}, nil
}

// call sends one command. It makes the system calls itself, since net's would
// cost more than those of the PHP process that it represents.
func (c *innerCaller) call(command byte, ext, body []byte) error {
	c.out = appendInner(c.out[:0], command, ext, body)
	binary.BigEndian.PutUint32(c.out[17:], c.connection)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("inner port: %w", err)
	}
	if err := connect(fd, &c.to); err != nil {
		unix.Close(fd)
		return fmt.Errorf("inner port: %w", err)
	}
	// A new socket's buffer accepts a whole command, or the write waits.
	n, err := unix.Write(fd, c.out)
	if err == nil && n < len(c.out) {
		err = fmt.Errorf("%d of %d bytes written", n, len(c.out))
	}
	if closed := unix.Close(fd); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("inner port: %w", err)
	}
	return nil
}

// connect waits until the kernel has the connection, whatever signals arrive:
// an interrupted connect continues by itself (connect(2)).
func connect(fd int, to unix.Sockaddr) error {
	err := unix.Connect(fd, to)
	if err != unix.EINTR {
		return err
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		if _, err = unix.Poll(poll, -1); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return err
	}
	failed, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && failed != 0 {
		err = unix.Errno(failed)
	}
	return err
}
