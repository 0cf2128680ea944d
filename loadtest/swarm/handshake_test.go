package swarm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
)

// Servers with which no TLS handshake succeeds; the error says what is wrong.
func TestTLSFails(t *testing.T) {
	g, trust := gatewaytest.NewSecure(t)
	plain := gatewaytest.New(t, false)
	elsewhere := trust.Clone()
	elsewhere.ServerName = "castgate.test"
	old := trust.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	raw := func(serve func(net.Conn)) string {
		return strings.Replace(gatewaytest.RawServer(t, serve), "ws:", "wss:", 1)
	}
	hello := func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<14)) }
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"a stranger's certificate": {Config{URLs: []string{g.URL}}, []string{"opened 0 of 2", g.URL, "TLS handshake", "certificate signed by unknown authority"}},
		"another host's":           {Config{URLs: []string{g.URL}, TLS: elsewhere}, []string{"TLS handshake", "not castgate.test"}},
		"too old":                  {Config{URLs: []string{g.URL}, TLS: old}, []string{"TLS handshake", "protocol version"}},
		"HTTP":                     {Config{URLs: []string{strings.Replace(plain.URL, "ws:", "wss:", 1)}}, []string{"speaks plain HTTP: use a ws:// URL"}},
		"another protocol":         {Config{URLs: []string{raw(func(c net.Conn) { hello(c); fmt.Fprint(c, "SSH-2.0-OpenSSH_9.6\r\n") })}}, []string{"does not speak TLS", "SSH-2"}},
		"an alert":                 {Config{URLs: []string{raw(func(c net.Conn) { hello(c); fmt.Fprint(c, "\x15\x03\x03\x00\x02\x02\x50") })}}, []string{"remote error: tls: internal error"}},
		"hangs up":                 {Config{URLs: []string{raw(hello)}}, []string{"the server closed the connection"}},
		"resets": {Config{URLs: []string{raw(func(c net.Conn) { hello(c); _ = c.(*net.TCPConn).SetLinger(0) })}},
			[]string{"TLS handshake", "connection reset"}},
		"floods":               {Config{URLs: []string{raw(func(c net.Conn) { hello(c); _, _ = io.Copy(c, zeros{}) })}}, []string{"TLS"}},
		"says nothing":         {Config{URLs: []string{raw(func(c net.Conn) { hello(c); hello(c) })}, Timeout: 50 * time.Millisecond}, []string{"no answer to the TLS handshake after"}},
		"a port without a URL": {Config{URLs: []string{"wss:///x"}}, []string{"is not ws://host:port/path or wss://"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Connections = 2
			s, err := Open(t.Context(), c.config)
			if s != nil {
				s.Close()
				t.Error("it opened")
			}
			errtest.Contains(t, err, c.want...)
		})
	}
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	if _, err := Open(t.Context(), Config{URLs: []string{g.URL}, Connections: 1}); !errors.As(err, &cert) || !errors.As(err, &unknown) {
		t.Errorf("who asks does not learn the reason: %#v", err)
	}
	insecure := open(t, Config{URLs: []string{g.URL}, Connections: 1, TLS: &tls.Config{InsecureSkipVerify: true}})
	if r := insecure.Report(); r.Open != 1 || r.TLSHandshakes != 1 {
		t.Errorf("%+v", r)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A swarm that is closed while handshakes wait for their server ends them.
func TestHandshakeGivenUp(t *testing.T) {
	url := strings.Replace(gatewaytest.RawServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "ws:", "wss:", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Config{URLs: []string{url}, Connections: 10})
	var open *OpenError
	if !errors.As(err, &open) || open.Opened != 0 {
		t.Errorf("%v", err)
	}
}
