package callers

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"strings"
	"testing"
)

// Who does not speak TLS where it must is told so, if it speaks HTTP.
func TestPlaintext(t *testing.T) {
	config := roomFor(2)
	l := listening(t, "127.0.0.1:0", config)
	speakTLS(t, &config, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
	for said, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: c\r\n\r\n": string(config.Plaintext),
		"\x01\x02\x03\x04\x05":              "",
	} {
		c := dial(t, l)
		_, _ = io.WriteString(c, said)
		ours := accept(t, l)
		go func() {
			_, _ = ours.Read(make([]byte, 100))
			_ = ours.Close()
		}()
		// Before the answer to garbage, TLS sends an alert.
		if answer, _ := io.ReadAll(c); want != "" && string(answer) != want || strings.Contains(string(answer), "TLS") != (want != "") {
			t.Errorf("%q: told %q, want %q", said, answer, want)
		}
	}
	// Connections that begin once TLS is off do without.
	speakTLS(t, &config, nil)
	c := dial(t, l)
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if n, err := accept(t, l).Read(make([]byte, 5)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Of callers who fail to show a valid certificate, who has none and who has a
// wrong one is counted. Others are not.
func TestCertificates(t *testing.T) {
	config := roomFor(8)
	good := selfSigned(t)
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(good.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	speakTLS(t, &config, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	l := listening(t, "127.0.0.1:0", config)
	for _, caller := range []*tls.Config{
		{}, {Certificates: []tls.Certificate{selfSigned(t)}}, {Certificates: []tls.Certificate{good}},
		{MaxVersion: tls.VersionTLS12}, {MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{selfSigned(t)}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{0x1234}}, // it does not come to certificates
	} {
		caller.InsecureSkipVerify = true
		raw := dial(t, l)
		go func() { _, _ = tls.Client(raw, caller).Write([]byte("x")) }()
		c := accept(t, l)
		_, err := c.Read(make([]byte, 1))
		isGood := len(caller.Certificates) > 0 && &caller.Certificates[0].Certificate[0][0] == &good.Certificate[0][0]
		if (err == nil) != isGood {
			t.Errorf("%+v: %v", caller, err)
		}
		if c.Refused() != (!isGood && caller.CipherSuites == nil) {
			t.Errorf("%v: refused for its certificate: %v", err, c.Refused())
		}
	}
	if n := l.Counts(); n.Missing != 2 || n.Wrong != 2 {
		t.Errorf("%d without a certificate and %d with a wrong one, want 2 each", n.Missing, n.Wrong)
	}
}
