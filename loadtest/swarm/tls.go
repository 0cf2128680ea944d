package swarm

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/secure"
)

// clearLen is how much plaintext is handled at once, in bytes: a few records.
const clearLen = 64 << 10

// beginTLS begins the TLS handshake of connection i, which is connected.
func (l *loop) beginTLS(i int) error {
	c := &l.conns[i]
	s := secure.Client(int(c.fd), l.target(i).TLS)
	c.tls, c.phase = s, phaseTLS
	if err := l.listen(i); err != nil {
		return err
	}
	l.swarm.running.Go(func() {
		err := s.Handshake()
		// A loop that has ended has closed the connection.
		_ = l.mail.post(func() { l.tlsDone(i, s, err) })
	})
	return nil
}

// tlsDone returns a connection whose TLS handshake has ended to the loop.
func (l *loop) tlsDone(i int, s *secure.Conn, err error) {
	c := &l.conns[i]
	if c.tls != s {
		return // it was abandoned meanwhile
	}
	rest := s.Finish()
	if err == nil {
		l.ledger.counts.handshakes++
		if s.Resumed() {
			l.ledger.counts.resumed++
		}
		if err = l.ask(i); err == nil {
			err = l.unseal(i, c, rest) // input after the handshake
		}
	} else {
		err = secure.Explain(err)
	}
	if err != nil {
		l.end(i, c, err)
	}
}

// endTLS ends the TLS handshake of a connection whose socket has ended. An alert that
// arrived just before is still read and explains more, so the connection ends with the
// handshake. The socket leaves epoll, which would report the end again and again.
func (l *loop) endTLS(c *conn, why error) error {
	c.tls.CutOff(why)
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
}

// unseal decrypts and handles everything that has arrived on connection i.
func (l *loop) unseal(i int, c *conn, b []byte) error {
	if l.clear == nil {
		l.clear = make([]byte, clearLen)
	}
	s := c.tls
	s.Feed(b)
	for {
		n, err := s.Open(l.clear)
		if n > 0 {
			if err := l.consume(i, c, l.clear[:n], clock.Now()); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case err == secure.ErrAgain:
			return s.Settle()
		case err == io.EOF:
			return l.hungUp(c)
		default:
			return fmt.Errorf("TLS: %w", err)
		}
	}
}
