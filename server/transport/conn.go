package transport

import (
	"crypto/tls"
	"net"
	"time"

	"castgate/server/internal/quota"
)

// Conn is the TLS side of a connection. It is the net.Conn of its tls.Conn, but no call
// on it waits for a socket. During the handshake, Read and Write belong to its
// runner, which the event loop feeds. Afterwards they belong to the
// loop: Read returns errAgain when the loop has read no more, and the loop sends what
// Write gets. An idle connection therefore has no goroutine and no timer.
//
// All other methods are for the loop's goroutine.
type Conn struct {
	tls       *tls.Conn // nil until the handshake has ended
	records   *Records
	handshake *Handshake // nil once it has ended
	unsent    []byte     // ciphertext that the socket has not taken
	// sealed is how many bytes of the client's frames unsent has, as plaintext.
	sealed      uint32
	closeSealed bool // close_notify is sealed; nothing follows it
	dead        bool // there is no TLS, or no more: bytes from the peer mean nothing
	rekeys      quota.Bucket
}

// NewConn returns a connection whose handshake h, a zero value, begins when Feed has
// got a complete ClientHello. The handshake runs in pool and reports to its owner.
func (r *Records) NewConn(pool *Handshakes, h *Handshake, owner Owner) *Conn {
	c := &Conn{records: r, handshake: h}
	h.conn, h.owner, h.pool = c, owner, pool
	return c
}

// Read implements net.Conn for tls.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.handshake != nil {
		return c.handshake.read(p)
	}
	return c.records.readReceived(p)
}

// Write implements net.Conn for tls.Conn. It takes everything.
func (c *Conn) Write(p []byte) (int, error) {
	if c.handshake != nil {
		c.handshake.write(p)
	} else {
		c.records.cipher = append(c.records.cipher, p...)
	}
	return len(p), nil
}

// Close implements net.Conn; the loop closes the socket.
func (c *Conn) Close() error { return nil }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return noAddr }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return noAddr }

// SetDeadline implements net.Conn; deadlines are the loop's.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

var noAddr net.Addr = &net.TCPAddr{}

// Handshaking reports whether the handshake has not ended, as far as the loop knows.
func (c *Conn) Handshaking() bool { return c.handshake != nil }

// Dead reports whether bytes from the peer have lost their meaning: the handshake has
// been refused or abandoned, or the TLS stream has ended.
func (c *Conn) Dead() bool { return c.dead }

// Feed gives the handshake bytes of the peer, and makes it go on if that is done at once.
func (c *Conn) Feed(b []byte) Fed { return c.handshake.feed(b) }

// IsFull reports whether the handshake has so many bytes of its peer that no more
// must be read until Owner.ReadOn. Only while Handshaking.
func (c *Conn) IsFull() bool { return c.handshake.isFull() }

// Abandon makes the connection Dead. It returns whether that has ended a handshake:
// false when there is none any more, or the connection was Dead before.
func (c *Conn) Abandon() (ended bool) {
	ended = c.handshake != nil && !c.dead
	if c.handshake != nil {
		c.handshake.abandon()
	}
	c.dead = true
	return ended
}

// EndHandshake takes over from the handshake, whose Owner.Done got err. The connection
// is usable if the outcome has Done set.
func (c *Conn) EndHandshake(err error) Outcome {
	h := c.handshake
	c.handshake = nil
	o := h.outcome(err)
	if o.Done {
		c.tls = h.tls
	}
	return o
}

// Send queues bytes for the peer as they are: those of a handshake, or in the clear.
func (c *Conn) Send(b []byte) { c.unsent = append(c.unsent, b...) }

// Sealed is how many bytes of plaintext are in Unsent.
func (c *Conn) Sealed() int { return int(c.sealed) }

// Unsent is what the socket has not taken yet.
func (c *Conn) Unsent() []byte { return c.unsent }

// Sent notes that the socket took n bytes of b, which is Unsent or, if that was empty,
// what Seal or SealClose has returned. If it took all of b, all is true, and plaintext is
// how many bytes of plaintext that were; otherwise the rest becomes Unsent.
func (c *Conn) Sent(b []byte, n int) (plaintext int, all bool) {
	kept := len(c.unsent) > 0
	b = b[n:]
	switch {
	case len(b) == 0:
		plaintext = int(c.sealed)
		c.unsent, c.sealed = nil, 0
		return plaintext, true
	case kept:
		c.unsent = b
	default:
		c.unsent = append([]byte(nil), b...)
	}
	return 0, false
}

// CanSeal reports whether Seal and SealClose have something to seal with: not during the
// handshake, and not when the stream has ended in one of its directions.
func (c *Conn) CanSeal() bool { return c.handshake == nil && !c.dead && !c.closeSealed }
