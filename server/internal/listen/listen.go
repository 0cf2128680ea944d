// Package listen opens the listening sockets of the process, its own and the passed
// ones, and closes them without resetting connections in their queues.
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

// Passed are the listening sockets that the process was started with, by name, as
// systemd passes them (LISTEN_FDS, sd_listen_fds(3)). Two sockets may have the same
// name.
type Passed map[string][]*os.File

// Options are TCP options.
type Options struct {
	// ReusePort sets SO_REUSEPORT: another process of the same user may then listen
	// on the same address if it sets the option too.
	ReusePort bool
	// Prepare is called with the socket before it listens, or with the passed
	// socket. Accepted sockets inherit the options that it sets. nil does nothing.
	Prepare func(fd int) error
	// Passed resolves an address of the form fd:NAME.
	Passed Passed
}

// Listener is a listening socket.
type Listener struct {
	net.Listener
	// Common reports that another process may accept from the same address: the
	// socket was passed, or has SO_REUSEPORT.
	Common bool
	// Taken reports that another process was already listening on the address.
	Taken bool
	// Inherited reports that the socket was passed. It outlives this process, so
	// connections in its queue are left to the next process.
	Inherited bool
}

const prefix = "fd:"

// maxName is the longest name of a passed socket in bytes, the same as systemd's.
const maxName = 255

// Name returns the NAME in an address of the form fd:NAME. It begins with a letter;
// fd:7272 is a port of a host named fd.
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

// TCP listens on host:port, or on the passed socket that an address fd:NAME refers
// to.
func TCP(address string, o Options) (*Listener, error) {
	if _, ok := Name(address); ok {
		l, err := o.Passed.Open(address)
		if err != nil {
			return nil, err
		}
		tcp, ok := l.Listener.(*net.TCPListener)
		if !ok {
			return nil, errors.Join(errors.New("the passed socket is not a TCP socket"), l.Close())
		}
		if o.Prepare == nil {
			return l, nil
		}
		raw, err := tcp.SyscallConn()
		if err == nil {
			err = control(raw, o.Prepare)
		}
		if err != nil { // for example, Multipath TCP does not support an option
			return nil, errors.Join(fmt.Errorf("the passed socket does not support an option of plain TCP: %w", err), l.Close())
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

// taken reports whether somebody listens on an address, by binding a socket to it
// without SO_REUSEPORT. The socket never listens.
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

// withoutAddress strips the address, since the caller's message contains it
// already.
func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Open returns a listener on the passed socket that an address fd:NAME refers to.
// It may be called again for the same socket.
func (p Passed) Open(address string) (*Listener, error) {
	name, ok := Name(address)
	if !ok {
		return nil, fmt.Errorf("%q is not fd:NAME", address)
	}
	files := p[name]
	switch {
	case len(files) == 0 && len(p) == 0:
		return nil, fmt.Errorf("no socket was passed to this process; systemd passes them to the service that belongs to a socket unit")
	case len(files) == 0:
		return nil, fmt.Errorf("no socket named %q was passed (LISTEN_FDNAMES)", name)
	case len(files) > 1:
		return nil, fmt.Errorf("%d sockets named %q were passed; give each its own name (FileDescriptorName)", len(files), name)
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return nil, err
	}
	// Not by File.Fd: it would make the socket blocking in every process that has
	// it.
	if err := control(raw, func(fd int) error {
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on != 1 {
			return errors.New("the passed descriptor is not a listening socket")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	ln, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("the passed socket: %w", err)
	}
	return &Listener{Listener: ln, Common: true, Inherited: true}, nil
}
