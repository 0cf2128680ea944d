package server

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// What the tests know of TLS records (RFC 8446 section 5.1).
const (
	recordHead      = 5
	recordHandshake = 22
	recordLen       = 1 << 14
)

// crumbled sends each byte of a handshake in a record of its own, as far as
// records are in the clear: until the client changes to its keys.
type crumbled struct {
	net.Conn
	sealed  bool
	records int
}

// Write implements net.Conn. crypto/tls writes whole records.
func (c *crumbled) Write(p []byte) (int, error) {
	var out []byte
	for b := p; len(b) > 0; {
		n := recordHead + int(b[3])<<8 + int(b[4])
		record := b[:n]
		b = b[n:]
		if c.sealed = c.sealed || record[0] != recordHandshake; c.sealed {
			out = append(out, record...)
			continue
		}
		for _, x := range record[recordHead:] {
			out = append(out, recordHandshake, record[1], record[2], 0, 1, x)
			c.records++
		}
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Records of one byte are whole records: a handshake in them is done, and so
// are a request and messages.
func TestSecureRecordsOfOneByte(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := startSecure(t, &linux, func(c *Config) { c.OnMessage = OnMessageEcho })
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			crumbs := &crumbled{Conn: conn}
			tc := tls.Client(crumbs, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			if err := tc.Handshake(); err != nil {
				t.Fatal(err)
			}
			if crumbs.records < 150 {
				t.Errorf("only %d records of one byte", crumbs.records)
			}
			c := s.upgradeRaw(trickle{tc})
			for range 3 {
				if _, err := (trickle{tc}).Write(codec.AppendMaskedFrame(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4})); err != nil {
					t.Fatal(err)
				}
			}
			b := make([]byte, 3*7)
			if _, err := io.ReadFull(c, b); err != nil || strings.Count(string(b), "hello") != 3 {
				t.Errorf("%q, %v", b, err)
			}
			if n := s.stats().TLSHandshakes["full"]; n != 1 {
				t.Errorf("%d handshakes", n)
			}
		})
	}
}
