package server

// handshakeRead is how much is read at once of a client whose TLS handshake is not
// done. What it sends behind its handshake, request and frames, waits in the
// kernel until the loop has the connection back.
const handshakeRead = 16 << 10

// room is where the next bytes of c may be read to; nothing if it has to wait.
func (l *loop) room(slot uint32, c *conn) []byte {
	switch {
	case c.is(flagLater):
		return nil
	case c.held():
		return l.wait(slot, c)
	case c.state == connVerifying && c.in != nil && len(c.in.head) > 0:
		// One read of what came behind the head is kept while the token is checked.
		return l.wait(slot, c)
	case c.is(flagSecure) && c.state != connProxy:
		s := l.secureOf(slot)
		if !s.Handshaking() || s.Dead() {
			break
		}
		if s.IsFull() {
			return l.wait(slot, c)
		}
		return l.rbuf[:handshakeRead]
	}
	if l.heldBack > laterRoom {
		return l.rbuf[:shortRead]
	}
	return l.rbuf
}

// wait is room for a connection that has none until resume.
func (l *loop) wait(slot uint32, c *conn) []byte {
	if !l.pause(c) {
		l.closeNow(slot, c, closeInternal)
	}
	return nil
}

// pause has the poller no longer tell that c can be read, so that what it sends
// waits in the kernel. False if the kernel does not let it.
func (l *loop) pause(c *conn) bool {
	if c.paused {
		return true
	}
	if l.sys.unwatch(l.poller, int(c.fd)) != nil {
		return false
	}
	c.paused = true
	return !c.is(flagBlocked) || l.sys.watchOnlyRoom(l.poller, int(c.fd)) == nil
}

// resume undoes pause; false if the kernel does not let it.
func (l *loop) resume(c *conn) bool {
	if !c.paused {
		return true
	}
	c.paused = false
	if !c.is(flagBlocked) {
		return l.sys.watch(l.poller, int(c.fd)) == nil
	}
	return l.sys.unwatch(l.poller, int(c.fd)) == nil && l.sys.watch(l.poller, int(c.fd)) == nil &&
		l.sys.watchRoom(l.poller, int(c.fd)) == nil
}
