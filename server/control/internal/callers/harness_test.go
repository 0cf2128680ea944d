package callers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"castgate/server/internal/audit"
	"castgate/server/internal/pemfile"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// nopConn is a connection on which nothing happens.
type nopConn struct{}

func (nopConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (nopConn) Write(b []byte) (int, error)      { return len(b), nil }
func (nopConn) Close() error                     { return nil }
func (nopConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (nopConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (nopConn) SetDeadline(time.Time) error      { return nil }
func (nopConn) SetReadDeadline(time.Time) error  { return nil }
func (nopConn) SetWriteDeadline(time.Time) error { return nil }

// roomFor configures so many places for callers.
func roomFor(most int) Config {
	log := slog.New(slog.DiscardHandler)
	return Config{
		Most: func() int { return most }, Allows: func(netip.Addr) bool { return true },
		Settle: 5 * time.Millisecond, // a round trip on loopback takes microseconds
		TLS:    pemfile.NewWatched[tls.Config](log), Audit: audit.New(nil),
		Full: []byte("full"), Plaintext: []byte("speak TLS"), Log: log,
	}
}

// listening is a listener that is closed at the end of the test.
func listening(t *testing.T, address string, c Config) *Listener {
	t.Helper()
	l, err := Listen(address, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial connects to a listener.
func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// accept takes the next connection.
func accept(t *testing.T, l *Listener) *Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*Conn)
}

// selfSigned is a certificate that nobody else has signed.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// speakTLS makes new connections speak TLS.
func speakTLS(t *testing.T, c *Config, how *tls.Config) {
	t.Helper()
	if _, err := c.TLS.Set(pemfile.Source[tls.Config]{Load: func() (*tls.Config, error) { return how, nil }}); err != nil {
		t.Fatal(err)
	}
}
