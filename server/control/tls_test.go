package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pki is an authority and the directory of the certificates that it has signed.
type pki struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, dir: t.TempDir()}
	p.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	p.key = p.sign("ca", p.cert, nil)
	return p
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// sign writes name.crt and name.key; its own key signs it if by is nil.
func (p *pki) sign(name string, template *x509.Certificate, by *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.cert, &key.PublicKey, by)
	if err != nil {
		p.t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: pk}} {
		if err := os.WriteFile(p.path(name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return key
}

func (p *pki) leaf(name string, usage x509.ExtKeyUsage, by *ecdsa.PrivateKey) {
	p.t.Helper()
	p.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, by)
}

// get makes a request over TLS with a client certificate, or without one if
// name is "".
func (p *pki) get(address, name string) (int, error) {
	roots := x509.NewCertPool()
	roots.AddCert(p.root())
	config := &tls.Config{RootCAs: roots}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(p.path(name+".crt"), p.path(name+".key"))
		if err != nil {
			p.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Get("https://" + address + "/v1/stats")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func (p *pki) root() *x509.Certificate {
	text, err := os.ReadFile(p.path("ca.crt"))
	if err != nil {
		p.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	p := start(t, func(c *Config) { c.TLS = TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key")} })
	if status, err := pki.get(p.Addr().String(), ""); status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	text, err := p.metrics.Text()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `castgate_tls_certificate_expiry_seconds{certificate="1",listener="control"`) {
		t.Error("the metrics do not say when the certificate expires")
	}
	// Plain HTTP is refused with an explanation, however long the request is.
	for _, size := range []int{0, 100 << 10} {
		resp, err := http.Post("http://"+p.Addr().String()+"/v1/stats", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 400 || err != nil || !strings.Contains(string(text), "speaks TLS") {
			t.Errorf("plain HTTP: %d %s, %v", resp.StatusCode, text, err)
		}
	}
	// Half a file changes nothing; a new certificate applies to later
	// connections.
	whole, err := os.ReadFile(pki.path("server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pki.path("server.crt"), whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetTLS(p.config.TLS); err == nil || !strings.HasPrefix(err.Error(), "control-tls-cert: ") {
		t.Errorf("half a file: %v", err)
	}
	if status, err := pki.get(p.Addr().String(), ""); status != 200 {
		t.Errorf("after half a file: %d, %v", status, err)
	}
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	if _, err := p.SetTLS(p.config.TLS); err != nil {
		t.Error(err)
	}
	if status, err := pki.get(p.Addr().String(), ""); status != 200 {
		t.Errorf("after a reload: %d, %v", status, err)
	}
}

// With ClientCA, only client certificates that it has signed are accepted.
func TestClientCertificates(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pki.leaf("good", x509.ExtKeyUsageClientAuth, pki.key)
	p := start(t, func(c *Config) {
		c.TLS = TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("ca.crt")}
	})
	if status, err := pki.get(p.Addr().String(), "good"); status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	if status, err := pki.get(p.Addr().String(), ""); err == nil {
		t.Errorf("without a certificate: %d", status)
	}
	if status, err := pki.get(p.Addr().String(), "server"); err == nil {
		t.Errorf("with a server's certificate: %d", status)
	}
	pki.forge("forged")
	if status, err := pki.get(p.Addr().String(), "forged"); err == nil {
		t.Errorf("with a forged certificate: %d", status)
	}
}

// TestRefusedCertificates: callers without a certificate, or with an invalid
// one, are counted and recorded, and not mistaken for garbage.
func TestRefusedCertificates(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pki.leaf("good", x509.ExtKeyUsageClientAuth, pki.key)
	pki.forge("forged")
	p, log := audited(t, func(c *Config) {
		c.TLS = TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("ca.crt")}
	})
	for _, name := range []string{"", "server", "forged", "", "good"} {
		if _, err := pki.get(p.Addr().String(), name); (err == nil) != (name == "good") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} { // a peer that leaves, or another version, is not counted
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, MinVersion: version, CipherSuites: []uint16{0x1234}, CurvePreferences: []tls.CurveID{0x1234}}).Handshake()
		_ = c.Close()
	}
	for limit := time.Now().Add(patience); p.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("connections stay")
		}
	}
	if n := p.listener.Counts(); n.Missing != 2 || n.Wrong != 2 {
		t.Errorf("%d without a certificate and %d with a wrong one, want 2 each", n.Missing, n.Wrong)
	}
	codes := map[any]int{}
	for _, r := range records(t, log) {
		if r["action"] == "refused" && r["key"] == "-" && strings.HasPrefix(r["from"].(string), "127.0.0.1:") {
			codes[r["code"]]++
		}
	}
	if len(codes) != 2 || codes["no_certificate"] != 2 || codes["wrong_certificate"] != 2 {
		t.Errorf("records %v: %s", codes, log)
	}
	text, err := p.metrics.Text()
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, `castgate_control_requests_total{method="",route="none",status="400"} %d`, &bad)
	}
	if bad > 2 {
		t.Errorf("%d requests are counted as answered with 400", bad)
	}
}

// resumes makes a request and reports whether it resumed an earlier session.
func resumes(address string, config *tls.Config) (bool, error) {
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n")
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		return false, fmt.Errorf("%q, %w", answer, err)
	}
	return c.ConnectionState().DidResume, nil
}

// TestTickets: returning callers need no full handshake, also after the
// server's certificate was renewed; but a caller that has shown a certificate
// must show another as soon as its authority is no longer accepted.
func TestTickets(t *testing.T) {
	pki, other := newPKI(t), newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pki.leaf("good", x509.ExtKeyUsageClientAuth, pki.key)
	pair, err := tls.LoadX509KeyPair(pki.path("good.crt"), pki.path("good.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, ca := range []string{"", pki.path("ca.crt")} {
			files := TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: ca}
			p := start(t, func(c *Config) { c.TLS = files })
			set := func(ca string) {
				t.Helper()
				files.ClientCA = ca
				if _, err := p.SetTLS(files); err != nil {
					t.Fatal(err)
				}
			}
			caller := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for i := range 3 {
				if resumed, err := resumes(p.Addr().String(), caller); err != nil || resumed != (i > 0) {
					t.Errorf("%x, authority %q, connection %d: resumed %v, %v", version, ca, i+1, resumed, err)
				}
			}
			set(ca)
			if resumed, err := resumes(p.Addr().String(), caller); err != nil || !resumed {
				t.Errorf("%x, authority %q, after a reload: resumed %v, %v", version, ca, resumed, err)
			}
			if ca == "" { // a ticket from when none was required
				set(pki.path("ca.crt"))
				if resumed, err := resumes(p.Addr().String(), caller); err != nil || resumed {
					t.Errorf("%x: resumed %v, %v", version, resumed, err)
				}
			}
			set(other.path("ca.crt"))
			if resumed, err := resumes(p.Addr().String(), caller); err == nil {
				t.Errorf("%x, authority %q, and now another's: resumed %v", version, ca, resumed)
			}
		}
	}
}

// forge is leaf for a client, signed by an authority with the same name but
// another key.
func (p *pki) forge(name string) {
	p.t.Helper()
	other := newPKI(p.t)
	other.leaf(name, x509.ExtKeyUsageClientAuth, other.key)
	for _, file := range []string{name + ".crt", name + ".key"} {
		text, err := os.ReadFile(other.path(file))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(p.path(file), text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// The certificate is reloaded automatically when its file changes, and TLS can
// be turned on and off for later connections.
func TestTLSChanges(t *testing.T) {
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	files := TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key")}
	p := start(t, nil)
	undo, err := p.SetTLS(files)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", p.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	p.tls.Look()
	if serial() == first {
		t.Error("the old certificate is still served")
	}
	if ok, failed := p.tls.Counts(); ok != 1 || failed != 0 {
		t.Errorf("%d reloads, %d failures", ok, failed)
	}
	if _, err := p.SetTLS(TLS{Cert: files.Cert}); err == nil || !strings.HasPrefix(err.Error(), "control-tls-cert: ") {
		t.Errorf("without a key: %v", err)
	}
	undo()
	resp, err := http.Get("http://" + p.Addr().String() + "/v1/stats")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("without TLS: %d", resp.StatusCode)
	}
}

// No authority is dropped because the file is half written.
func TestCutAuthorities(t *testing.T) {
	pki, other := newPKI(t), newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	pki.leaf("good", x509.ExtKeyUsageClientAuth, pki.key)
	second, err := os.ReadFile(pki.path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(other.path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	both := append(first, second...)
	if err := os.WriteFile(pki.path("callers.crt"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, func(c *Config) {
		c.TLS = TLS{Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("callers.crt")}
	})
	if err := os.WriteFile(pki.path("callers.crt"), both[:len(both)-len(second)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetTLS(p.config.TLS); err == nil || !strings.HasPrefix(err.Error(), "control-client-ca: ") {
		t.Errorf("half an authority: %v", err)
	}
	if status, err := pki.get(p.Addr().String(), "good"); status != 200 {
		t.Errorf("a caller of the second authority: %d, %v", status, err)
	}
}

func TestWrongTLS(t *testing.T) {
	for want, files := range map[string]TLS{
		"control-tls-cert: must":    {Cert: "x"},
		"control-tls-cert: must be": {Key: "x"},
		"control-client-ca: needs":  {ClientCA: "x"},
	} {
		c := Defaults()
		c.TLS = files
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", files, err)
		}
	}
	pki := newPKI(t)
	pki.leaf("server", x509.ExtKeyUsageServerAuth, pki.key)
	for want, files := range map[string]TLS{
		"control-tls-cert: ":                   {Cert: pki.path("none"), Key: pki.path("none")},
		"control-client-ca: open":              {Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("none")},
		"control-client-ca: " + pki.path("se"): {Cert: pki.path("server.crt"), Key: pki.path("server.key"), ClientCA: pki.path("server.key")},
	} {
		c := Defaults()
		c.Listen, c.TLS = "127.0.0.1:0", files
		if _, err := New(nil, c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", files, err)
		}
	}
}
