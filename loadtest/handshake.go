package loadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// handshake is a TLS handshake in progress. crypto/tls cannot suspend one, so
// it has a goroutine; there are as many as connections being opened. Loop and
// goroutine synchronize with mu.
type handshake struct {
	fd int

	mu   sync.Mutex
	more sync.Cond
	in   []byte // from the server, not read yet
	over error  // why no more input will arrive, nil while it may
}

// maxHandshakeInput limits what a server may send before the handshake reads
// it.
const maxHandshakeInput = 1 << 20

func newHandshake(fd int) *handshake {
	h := &handshake{fd: fd}
	h.more.L = &h.mu
	return h
}

// read is the goroutine's Read: it blocks.
func (h *handshake) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.in) == 0 && h.over == nil {
		h.more.Wait()
	}
	if len(h.in) == 0 {
		return 0, h.over
	}
	n := copy(p, h.in)
	h.in = h.in[n:]
	return n, nil
}

// write is the goroutine's Write. What it writes fits into an empty socket. The
// lock keeps the loop from closing the descriptor meanwhile.
func (h *handshake) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over != nil {
		return 0, h.over
	}
	n, err := unix.Write(h.fd, p)
	if err == nil && n < len(p) {
		err = errFull
	}
	return max(n, 0), err
}

// give passes on what the server has sent.
func (h *handshake) give(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.in)+len(b) > maxHandshakeInput {
		return fmt.Errorf("TLS handshake: the server has sent more than %d bytes", maxHandshakeInput)
	}
	h.in = append(h.in, b...)
	h.more.Signal()
	return nil
}

// end says that no more input will arrive, and why. Earlier input is still
// read.
func (h *handshake) end(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = why
	}
	h.more.Signal()
}

// beginTLS begins the TLS handshake of connection i, which is connected.
func (l *loop) beginTLS(i int) error {
	c := &l.conns[i]
	s := &secure{fd: int(c.fd), handshake: newHandshake(int(c.fd))}
	s.tls = tls.Client(s, l.target(i).tls)
	c.tls, c.phase = s, phaseTLS
	if err := l.listen(i); err != nil {
		return err
	}
	l.swarm.running.Go(func() {
		err := s.tls.Handshake()
		// A loop that has ended has closed the connection.
		_ = l.post(func() { l.tlsDone(i, s, err) })
	})
	return nil
}

// tlsDone returns a connection whose TLS handshake has ended to the loop.
func (l *loop) tlsDone(i int, s *secure, err error) {
	c := &l.conns[i]
	if c.tls != s {
		return // it was abandoned meanwhile
	}
	rest := s.handshake.in
	s.handshake = nil
	if err == nil {
		l.counts.handshakes++
		if s.tls.ConnectionState().DidResume {
			l.counts.resumed++
		}
		if err = l.ask(i); err == nil {
			err = l.unseal(i, c, rest) // input after the handshake
		}
	} else {
		err = noTLS(err)
	}
	if err != nil {
		l.end(i, c, err)
	}
}

// endTLS tells a TLS handshake that its socket has ended. An alert that arrived
// just before is still read and says more, so the connection ends with the
// handshake. Epoll would report the end again and again.
func (l *loop) endTLS(c *conn, why error) error {
	c.tls.handshake.end(why)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
}

// errFull ends a connection whose socket does not accept the little that a
// client sends.
var errFull = errors.New("it does not fit into the socket")
