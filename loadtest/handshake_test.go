package loadtest

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
)

// Servers with which no TLS handshake succeeds; the error says what is wrong.
func TestTLSFails(t *testing.T) {
	g, trust := newSecureGateway(t)
	plain := newGateway(t, false)
	elsewhere := trust.Clone()
	elsewhere.ServerName = "castgate.test"
	old := trust.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	raw := func(serve func(net.Conn)) string { return strings.Replace(rawServer(t, serve), "ws:", "wss:", 1) }
	hello := func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<14)) }
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"a stranger's certificate": {Config{URLs: []string{g.url}}, []string{"opened 0 of 2", g.url, "TLS handshake", "certificate signed by unknown authority"}},
		"another host's":           {Config{URLs: []string{g.url}, TLS: elsewhere}, []string{"TLS handshake", "not castgate.test"}},
		"too old":                  {Config{URLs: []string{g.url}, TLS: old}, []string{"TLS handshake", "protocol version"}},
		"HTTP":                     {Config{URLs: []string{strings.Replace(plain.url, "ws:", "wss:", 1)}}, []string{"speaks plain HTTP: use a ws:// URL"}},
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
			wants(t, err, c.want...)
		})
	}
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	if _, err := Open(t.Context(), Config{URLs: []string{g.url}, Connections: 1}); !errors.As(err, &cert) || !errors.As(err, &unknown) {
		t.Errorf("who asks does not learn the reason: %#v", err)
	}
	insecure := open(t, Config{URLs: []string{g.url}, Connections: 1, TLS: &tls.Config{InsecureSkipVerify: true}})
	if r := insecure.Report(); r.Open != 1 || r.TLSHandshakes != 1 {
		t.Errorf("%+v", r)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A swarm that is closed while handshakes wait for their server ends them.
func TestHandshakeGivenUp(t *testing.T) {
	url := strings.Replace(rawServer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "ws:", "wss:", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Config{URLs: []string{url}, Connections: 10})
	var open *OpenError
	if !errors.As(err, &open) || open.Opened != 0 {
		t.Errorf("%v", err)
	}
}

// The port of a wss URL is 443 by default, and its host is the one that the
// certificate must be valid for.
func TestResolveSecure(t *testing.T) {
	for url, want := range map[string]string{"wss://127.0.0.1/x": "127.0.0.1:443 127.0.0.1", "wss://[::1]:7443/": "[::1]:7443 ::1", "ws://127.0.0.1": "127.0.0.1:80 "} {
		got, err := resolve(t.Context(), url, nil)
		if err != nil || got.addr.String()+" "+got.name != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
		got.secure(nil)
		if (got.tls != nil) != strings.HasPrefix(url, "wss") || got.tls != nil && got.tls.ServerName != got.name {
			t.Errorf("%s: %+v", url, got.tls)
		}
	}
}
