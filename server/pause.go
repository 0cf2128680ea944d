package server

// handshakeRead is how much is read at once of a client whose TLS handshake is not
// done. What it sends behind its handshake, request and frames, waits in the
// kernel until the loop has the connection back.
const handshakeRead = 16 << 10

// room is where the next bytes of c may be read to; nothing if it has to wait.
func (r *reader) room(slot uint32, c *conn) []byte {
	switch {
	case c.is(flagLater):
		return nil
	case c.held():
		return r.wait(slot, c)
	case c.state == connVerifying && c.in != nil && len(c.in.pending) > 0:
		// One read of what came behind the head is kept while the token is checked.
		return r.wait(slot, c)
	case c.is(flagSecure) && c.state != connProxy:
		s := r.loop.secure.of(slot)
		if !s.Handshaking() || s.Dead() {
			break
		}
		if s.IsFull() {
			return r.wait(slot, c)
		}
		return r.rbuf[:handshakeRead]
	}
	if r.heldBack > laterRoom {
		return r.rbuf[:shortRead]
	}
	return r.rbuf
}

// wait is room for a connection that has none until resume.
func (r *reader) wait(slot uint32, c *conn) []byte {
	if !r.pause(c) {
		r.loop.exit.closeNow(slot, c, closeInternal)
	}
	return nil
}

// pausing tells what the poller reports of a connection; see pause.
type pausing uint8

const (
	reading  pausing = iota // all that comes
	paused                  // nothing that the peer does
	awaiting                // that the peer has left
)

// pause has the poller no longer tell that c can be read, so that what it sends
// waits in the kernel. If c is not a client yet, the poller still tells when it
// leaves. False if the kernel does not let it.
func (r *reader) pause(c *conn) bool {
	if c.paused != reading {
		return true
	}
	if r.loop.sys.Unwatch(r.loop.poller, int(c.fd)) != nil {
		return false
	}
	c.paused = paused
	if c.is(flagBlocked) {
		return r.loop.sys.WatchOnlyRoom(r.loop.poller, int(c.fd)) == nil
	}
	return r.await(c)
}

// await has the poller tell when the peer leaves of a paused connection that is not
// a client yet. False if the kernel does not let it.
func (r *reader) await(c *conn) bool {
	if c.state != connVerifying {
		return true
	}
	c.paused = awaiting
	return r.loop.sys.WatchEnd(r.loop.poller, int(c.fd)) == nil
}

// resume undoes pause; false if the kernel does not let it.
func (r *reader) resume(c *conn) bool {
	was := c.paused
	c.paused = reading
	switch {
	case was == reading:
		return true
	case was == awaiting:
		return r.loop.sys.UnwatchRoom(r.loop.poller, int(c.fd)) == nil
	case !c.is(flagBlocked):
		return r.loop.sys.Watch(r.loop.poller, int(c.fd)) == nil
	}
	return r.loop.sys.Unwatch(r.loop.poller, int(c.fd)) == nil && r.loop.sys.Watch(r.loop.poller, int(c.fd)) == nil &&
		r.loop.sys.WatchRoom(r.loop.poller, int(c.fd)) == nil
}
