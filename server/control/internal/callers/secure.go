package callers

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"castgate/server/internal/pemfile"
)

// securing makes the connections of a listener speak TLS while files are
// configured.
type securing struct {
	net.Listener
	tls          *pemfile.Watched[tls.Config]
	certificates *certificates
	plaintext    []byte // see Config.Plaintext
	// shared holds the ticket keys, which are common to all connections and
	// rotate daily; all else comes from tls when a handshake begins.
	shared *tls.Config
}

func newSecuring(ln net.Listener, t *pemfile.Watched[tls.Config], c *certificates, plaintext []byte) *securing {
	return &securing{Listener: ln, tls: t, certificates: c, plaintext: plaintext, shared: &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.Now(), nil },
	}}
}

// Accept implements net.Listener.
func (l *securing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.tls.Now() == nil {
		return c, err
	}
	return &secureConn{Conn: tls.Server(c, l.shared), listener: l}, nil
}

// secureConn is a connection that also answers peers that do not speak TLS.
type secureConn struct {
	*tls.Conn
	listener *securing
	refused  bool // for lack of a valid certificate
}

// Read implements net.Conn.
func (c *secureConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	if !c.refused {
		c.refused = c.listener.certificates.refuse(c.RemoteAddr(), err)
	}
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && isMethod(header.RecordHeader) {
		_ = header.Conn.SetDeadline(time.Now().Add(lingerTimeout))
		if _, err := header.Conn.Write(c.listener.plaintext); err == nil {
			lingerOn(header.Conn)
		}
	}
	return n, err
}

// isMethod reports whether the first bytes look like an HTTP request.
func isMethod(b [5]byte) bool {
	for _, c := range b[:3] {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}
