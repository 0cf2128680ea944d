package loadtest

import (
	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

// send writes all of b to the connection's socket, with TLS if it uses that. It
// does not wait: the socket of a client that sends little has room.
func (l *loop) send(c *conn, b []byte) error {
	if c.tls != nil {
		return c.tls.send(b)
	}
	n, err := unix.Write(int(c.fd), b)
	if err == nil && n < len(b) {
		err = errFull
	}
	return err
}

// pong answers a ping. The socket of a client that sends nothing else has room;
// if it has not, that is counted.
func (l *loop) pong(c *conn, payload []byte) {
	l.out = codec.AppendMaskedFrame(l.out[:0], ws.OpPong, payload, l.mask())
	if l.send(c, l.out) != nil {
		l.counts.pongsRefused++
	}
}

// sendClose sends a close frame if the socket accepts it.
func (l *loop) sendClose(c *conn, code ws.StatusCode) {
	var body []byte
	if code != 0 && code != 1005 { // 1005: the peer sent no code
		body = []byte{byte(code >> 8), byte(code)}
	}
	l.out = codec.AppendMaskedFrame(l.out[:0], ws.OpClose, body, l.mask())
	_ = l.send(c, l.out) // nothing depends on it
}

// mask is a masking key. It need not be unpredictable here: it protects proxies
// between a browser and its server (RFC 6455 section 10.3).
func (l *loop) mask() [4]byte {
	l.masks = l.masks*1664525 + 1013904223
	return [4]byte{byte(l.masks >> 24), byte(l.masks >> 16), byte(l.masks >> 8), byte(l.masks)}
}
