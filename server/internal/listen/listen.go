// Package listen opens the listening sockets of the process, its own or those
// that it was started with, and closes them without a reset for those who wait.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Passed are the listening sockets that the process was started with, by name,
// as systemd passes them (LISTEN_FDS, sd_listen_fds(3)). Two sockets may have
// one name.
type Passed map[string][]*os.File

// Options of TCP.
type Options struct {
	// ReusePort sets SO_REUSEPORT: another process of the same user may listen
	// on the same address if it sets it too.
	ReusePort bool
	// Prepare is called with the socket before it listens, or with the one that
	// was passed. Sockets accepted later inherit what it sets. nil does nothing.
	Prepare func(fd int) error
	// Passed holds the socket of an address fd:NAME.
	Passed Passed
}

// Listener is a listening socket.
type Listener struct {
	net.Listener
	// Common says that another process may accept from the same address: the
	// socket was passed, or has SO_REUSEPORT.
	Common bool
	// Taken says that another process listened on the address before.
	Taken bool
	// Inherited says that the socket was passed. It outlives this process, so
	// who waits in its queue is for the next one.
	Inherited bool
}

const prefix = "fd:"

// maxName is the longest name of a passed socket, as in systemd.
const maxName = 255

// Name returns the name in an address of the form fd:NAME. A NAME begins with a
// letter; fd:7272 is a port of a host called fd.
func Name(address string) (name string, ok bool) {
	name, ok = strings.CutPrefix(address, prefix)
	if !ok || len(name) > maxName {
		return "", false
	}
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789.-_@", rune(c))) {
			return "", false
		}
	}
	return name, name != ""
}

// TCP listens on host:port, or on the passed socket that an address fd:NAME
// names.
func TCP(address string, o Options) (*Listener, error) {
	if _, ok := Name(address); ok {
		l, err := o.Passed.Open(address)
		if err != nil {
			return nil, err
		}
		tcp, ok := l.Listener.(*net.TCPListener)
		if !ok {
			return nil, errors.Join(errors.New("the socket that was passed is not one of TCP"), l.Close())
		}
		if o.Prepare == nil {
			return l, nil
		}
		raw, err := tcp.SyscallConn()
		if err == nil {
			err = control(raw, o.Prepare)
		}
		if err != nil { // an option that Multipath TCP does not have, for one
			return nil, errors.Join(fmt.Errorf("the socket that was passed does not take what plain TCP does: %w", err), l.Close())
		}
		return l, nil
	}
	l := &Listener{Common: o.ReusePort}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return control(c, func(fd int) error {
			if o.ReusePort {
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
					return fmt.Errorf("SO_REUSEPORT: %w", err)
				}
			}
			if o.Prepare == nil {
				return nil
			}
			return o.Prepare(fd)
		})
	}}
	lc.SetMultipathTCP(false)
	l.Taken = o.ReusePort && taken(address)
	var err error
	l.Listener, err = lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, withoutAddress(err)
	}
	return l, nil
}

// taken tells whether somebody listens on an address: it could not be bound
// then without SO_REUSEPORT. Nothing is listened on to find out.
func taken(address string) bool {
	was := false
	lc := net.ListenConfig{Control: func(network, bound string, c syscall.RawConn) error {
		_ = control(c, func(fd int) error {
			a, err := net.ResolveTCPAddr(network, bound)
			if err != nil || a.Port == 0 {
				return nil
			}
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			was = errors.Is(unix.Bind(fd, sockaddr(network, a)), unix.EADDRINUSE)
			return nil
		})
		return errProbe
	}}
	_, _ = lc.Listen(context.Background(), "tcp", address)
	return was
}

var errProbe = errors.New("only a probe")

func sockaddr(network string, a *net.TCPAddr) unix.Sockaddr {
	if network == "tcp4" {
		s := &unix.SockaddrInet4{Port: a.Port}
		copy(s.Addr[:], a.IP.To4())
		return s
	}
	s := &unix.SockaddrInet6{Port: a.Port}
	copy(s.Addr[:], a.IP.To16())
	return s
}

// control calls f with the descriptor of a socket.
func control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// withoutAddress strips the address, which the caller's message names already.
func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Open takes the passed socket that an address fd:NAME names. It can be
// opened again.
func (p Passed) Open(address string) (*Listener, error) {
	name, ok := Name(address)
	if !ok {
		return nil, fmt.Errorf("%q is not fd:NAME", address)
	}
	files := p[name]
	switch {
	case len(files) == 0 && len(p) == 0:
		return nil, fmt.Errorf("no socket was passed to this process; systemd passes them to the service of a socket unit")
	case len(files) == 0:
		return nil, fmt.Errorf("no socket with the name %q was passed (LISTEN_FDNAMES)", name)
	case len(files) > 1:
		return nil, fmt.Errorf("%d sockets with the name %q were passed; give each its own (FileDescriptorName)", len(files), name)
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return nil, err
	}
	// Not by Fd, which would make the socket block for everybody who has it.
	if err := control(raw, func(fd int) error {
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on != 1 {
			return errors.New("what was passed is not a listening socket")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	ln, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed: %w", err)
	}
	return &Listener{Listener: ln, Common: true, Inherited: true}, nil
}
