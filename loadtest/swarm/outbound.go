package swarm

import (
	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/loadtest/internal/secure"
)

// send writes all of b to the connection's socket, with TLS if it uses that. It
// does not wait: the socket of a client that sends little has room.
func (c *conn) send(b []byte) error {
	if c.tls != nil {
		return c.tls.Send(b)
	}
	n, err := unix.Write(int(c.fd), b)
	if err == nil && n < len(b) {
		err = secure.ErrFull
	}
	return err
}

// outbound makes and sends the frames of a loop.
type outbound struct {
	buf   []byte // the last frame
	masks uint32
}

// frame sends one frame.
func (o *outbound) frame(c *conn, op ws.OpCode, payload []byte) error {
	o.buf = codec.AppendMaskedFrame(o.buf[:0], op, payload, o.mask())
	return c.send(o.buf)
}

// close sends a close frame if the socket accepts it.
func (o *outbound) close(c *conn, code ws.StatusCode) {
	var body []byte
	if code != 0 && code != 1005 { // 1005: the peer sent no code
		body = []byte{byte(code >> 8), byte(code)}
	}
	_ = o.frame(c, ws.OpClose, body) // nothing depends on it
}

// mask is a masking key. It need not be unpredictable here: it protects proxies
// between a browser and its server (RFC 6455 section 10.3).
func (o *outbound) mask() [4]byte {
	o.masks = o.masks*1664525 + 1013904223
	return [4]byte{byte(o.masks >> 24), byte(o.masks >> 16), byte(o.masks >> 8), byte(o.masks)}
}
