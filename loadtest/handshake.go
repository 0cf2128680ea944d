package loadtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// handshake is a TLS handshake on its way. crypto/tls can't be asked to go on
// with one later, so it has a goroutine, of which there are as many as
// connections in flight. Loop and goroutine meet under mu.
type handshake struct {
	fd int

	mu   sync.Mutex
	more sync.Cond
	in   []byte // from the server, not read yet
	over error  // why nothing more will come, nil as long as it may
}

// maxShakeInput bounds what a server may send before the handshake is read.
const maxShakeInput = 1 << 20

func newHandshake(fd int) *handshake {
	h := &handshake{fd: fd}
	h.more.L = &h.mu
	return h
}

// read is Read of the goroutine: it waits.
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

// write is Write of the goroutine. What it says fits into an empty socket. The
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

// give hands over what the server has sent.
func (h *handshake) give(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.in)+len(b) > maxShakeInput {
		return fmt.Errorf("TLS handshake: the server has sent more than %d bytes", maxShakeInput)
	}
	h.in = append(h.in, b...)
	h.more.Signal()
	return nil
}

// end tells that nothing more will come, and why. What has come is still read.
func (h *handshake) end(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = why
	}
	h.more.Signal()
}

// beginTLS begins the handshake of connection i, whose connect is done.
func (l *loop) beginTLS(i int) error {
	c := &l.conns[i]
	s := &secure{fd: int(c.fd), shake: newHandshake(int(c.fd))}
	s.tls = tls.Client(s, l.target(i).tls)
	c.tls, c.phase = s, phaseTLS
	if err := l.listen(i); err != nil {
		return err
	}
	l.swarm.running.Go(func() {
		err := s.tls.Handshake()
		// A loop that has ended has closed the connection.
		_ = l.post(func() { l.shaken(i, s, err) })
	})
	return nil
}

// shaken takes a connection back whose handshake has ended.
func (l *loop) shaken(i int, s *secure, err error) {
	c := &l.conns[i]
	if c.tls != s {
		return // it was given up meanwhile
	}
	rest := s.shake.in
	s.shake = nil
	if err == nil {
		l.counts.handshakes++
		if s.tls.ConnectionState().DidResume {
			l.counts.resumed++
		}
		if err = l.ask(i); err == nil {
			err = l.unseal(i, c, rest) // what came behind the handshake
		}
	} else {
		err = noTLS(err)
	}
	if err != nil {
		l.end(i, c, err)
	}
}

// stopShaking tells the handshake of a connection that its socket has no more.
// An alert that came just before is still read, and says more than that, so
// the connection ends with the handshake. Epoll would ring on and on.
func (l *loop) stopShaking(c *conn, why error) error {
	c.tls.shake.end(why)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
}

// errFull is the end of a connection whose socket does not take what little a
// client has to say.
var errFull = errors.New("it does not fit into the socket")
