package control

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"castgate/server/internal/pemfile"
	"castgate/server/setting"
)

// TLS says how the port speaks TLS. Without files it does not.
type TLS struct {
	// Cert and Key are files in PEM.
	Cert, Key string
	// ClientCA is a file of certificates; callers must show one that these
	// have signed, for client authentication, beside a key where one is set.
	ClientCA string
}

func (t *TLS) on() bool { return t.Cert != "" }

func (t *TLS) validate() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return setting.Errorf("control-tls-cert", "must be set together with control-tls-key")
	case t.ClientCA != "" && !t.on():
		return setting.Errorf("control-client-ca", "needs control-tls-cert")
	}
	return nil
}

// Check reads the files as New does. An error is a *setting.Error.
func (t *TLS) Check() error {
	if !t.on() {
		return nil
	}
	_, err := t.load(slog.New(slog.DiscardHandler))
	return err
}

// files are those that there are.
func (t *TLS) files() (list []string) {
	for _, file := range []string{t.Cert, t.Key, t.ClientCA} {
		if file != "" {
			list = append(list, file)
		}
	}
	return list
}

// load reads the files. An error is a *setting.Error.
func (t *TLS) load(log *slog.Logger) (*tls.Config, error) {
	pair, err := pemfile.Pair(t.Cert, t.Key)
	if err != nil {
		return nil, setting.Named("control-tls-cert", err)
	}
	pemfile.WarnOfTime(log, t.Cert, pair.Leaf)
	c := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return c, nil
	}
	// For a ticket, too, crypto/tls looks whether the certificate that was shown
	// is still valid and from one of ClientCAs.
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCAs, err = pemfile.Authorities(t.ClientCA); err != nil {
		return nil, setting.Named("control-client-ca", err)
	}
	return c, nil
}

// SetTLS replaces Config.TLS, or reloads the same files, for connections that
// begin from now on; those that are open stay as they are. With an error,
// which is a *setting.Error, nothing changes. undo brings back what there was
// before. Any goroutine.
func (s *Server) SetTLS(t TLS) (undo func(), err error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	return s.tls.Set(pemfile.Source[tls.Config]{Files: t.files(), Load: func() (*tls.Config, error) {
		if !t.on() {
			return nil, nil
		}
		return t.load(s.log)
	}})
}

// securing lets the connections of a listener speak TLS while there are files
// for it.
type securing struct {
	net.Listener
	tls     *pemfile.Watched[tls.Config]
	callers *callers
	// shared has the keys of tickets, which last from one connection to the next
	// and change each day; all else is as tls has it when a handshake begins.
	shared *tls.Config
}

func newSecuring(ln net.Listener, t *pemfile.Watched[tls.Config], c *callers) *securing {
	return &securing{Listener: ln, tls: t, callers: c, shared: &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.Now(), nil },
	}}
}

// Accept implements net.Listener.
func (l *securing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.tls.Now() == nil {
		return c, err
	}
	return &secureConn{Conn: tls.Server(c, l.shared), callers: l.callers}, nil
}

// secureConn is a connection that answers those who do not speak TLS.
type secureConn struct {
	*tls.Conn
	callers *callers
	refused bool // for want of a good certificate
}

var answerPlaintext = func() []byte {
	const status = 400
	return appendResponse(nil, status, appendProblem(nil, status, codeBadRequest, "this port speaks TLS: use https"), "")
}()

// Read implements net.Conn.
func (c *secureConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	if !c.refused && c.callers != nil {
		c.refused = c.callers.refuse(c.RemoteAddr(), err)
	}
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && isMethod(header.RecordHeader) {
		_ = header.Conn.SetDeadline(time.Now().Add(lingerTimeout))
		if _, err := header.Conn.Write(answerPlaintext); err == nil {
			lingerOn(header.Conn)
		}
	}
	return n, err
}

// isMethod tells whether what came first begins like a request of HTTP.
func isMethod(b [5]byte) bool {
	for _, c := range b[:3] {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}
