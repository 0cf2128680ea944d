package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

// client is one socket.
type client struct {
	fd     int32
	head   []byte  // of the handshake request so far
	sender *sender // nil until the handshake is done
	place  int     // in sender.clients, guarded by its mutex
}

// front accepts, performs handshakes and discards what clients send, all on one
// thread, which sleeps while broadcasts run.
type front struct {
	epoll, listener int
	senders         []*sender
	clients         map[int32]*client
	next            int // index of the next connection's sender
	upgrader        codec.Upgrader
	buf             [64 << 10]byte
}

const backlog = 4096

func newFront(listen string, senders []*sender) (*front, error) {
	addr, err := netip.ParseAddrPort(listen)
	if err != nil || !addr.Addr().Is4() {
		return nil, fmt.Errorf("--listen %q is not an IPv4 host:port", listen)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &front{epoll: epoll, listener: fd, senders: senders, clients: map[int32]*client{}}
	// Accepted sockets inherit TCP_NODELAY.
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}),
		unix.Listen(fd, backlog),
		f.watch(fd),
	)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	return f, nil
}

func (f *front) watch(fd int) error {
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// run serves until epoll or accept fails.
func (f *front) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(f.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == f.listener {
				if err := f.accept(); err != nil {
					return err
				}
				continue
			}
			if c := f.clients[e.Fd]; c != nil {
				f.read(c)
			}
		}
	}
}

func (f *front) accept() error {
	for {
		fd, _, err := unix.Accept4(f.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if err := f.watch(fd); err != nil {
			return fmt.Errorf("epoll_ctl: %w", err)
		}
		f.clients[int32(fd)] = &client{fd: int32(fd)}
	}
}

func (f *front) read(c *client) {
	n, err := unix.Read(int(c.fd), f.buf[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil || n == 0:
		f.close(c)
	case c.sender == nil:
		f.upgrade(c, f.buf[:n])
	}
}

func (f *front) close(c *client) {
	delete(f.clients, c.fd)
	if c.sender == nil {
		unix.Close(int(c.fd))
		return
	}
	c.sender.remove(c)
}

// upgrade answers the handshake once its head is complete, in one write with
// the init message.
func (f *front) upgrade(c *client, b []byte) {
	c.head = append(c.head, b...)
	end := codec.HandshakeEnd(c.head, 0)
	if end < 0 && len(c.head) < codec.MaxHandshake {
		return
	}
	answer, result := f.upgrader.Upgrade(nil, c.head[:max(end, 0)])
	if result == codec.HandshakeOK {
		answer = codec.AppendFrame(answer, ws.OpText, initMessage())
	}
	if result != codec.HandshakeOK {
		_, _ = unix.Write(int(c.fd), answer)
		f.close(c)
		return
	}
	s := f.senders[f.next%len(f.senders)]
	if !s.welcome(c, answer) {
		f.close(c)
		return
	}
	c.head, c.sender = nil, s
	f.next++
}

// initMessage has the length of castgate's.
func initMessage() []byte {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return fmt.Appendf(nil, `{"type":"init","client_id":"%x"}`, id)
}
