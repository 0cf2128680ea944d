package server

// shakeRead is how much is read at once of a client whose TLS handshake is not
// done, and shakeAhead how much may wait for the handshake's goroutine before no
// more is read. What a client sends behind its handshake, request and frames,
// waits in the kernel until the loop has the connection back.
const (
	shakeRead  = 16 << 10
	shakeAhead = 4 << 10
)

// room is where the next bytes of c may be read to; nothing if it has to wait.
func (l *loop) room(slot uint32, c *conn) []byte {
	switch {
	case c.is(flagLater):
		return nil
	case c.state == connVerifying && c.in != nil && len(c.in.head) > 0:
		// One read of what came behind the head is kept while the token is checked.
		l.pause(c)
		return nil
	case c.is(flagSecure) && c.state != connProxy:
		s := l.secureOf(slot)
		if s.shake == nil || s.dead {
			break
		}
		if s.shake.isFull() {
			l.pause(c)
			return nil
		}
		return l.rbuf[:shakeRead]
	}
	if l.heldBack > laterRoom {
		return l.rbuf[:shortRead]
	}
	return l.rbuf
}

// pause has the poller no longer tell that c can be read, so that what it sends
// waits in the kernel. While its socket is full the poller is needed, and the
// loop is told in vain.
func (l *loop) pause(c *conn) {
	if !c.paused && !c.is(flagBlocked) {
		c.paused = l.sys.unwatch(l.poller, int(c.fd)) == nil
	}
}

// resume undoes pause; false if the kernel does not let it.
func (l *loop) resume(c *conn) bool {
	if !c.paused {
		return true
	}
	c.paused = false
	return l.sys.watch(l.poller, int(c.fd)) == nil
}
