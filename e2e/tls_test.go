package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// startSecure starts castgate with a ws and a wss listener.
func startSecure(t *testing.T) (*wstest.Gateway, *wstest.Authority, wstest.Pair) {
	t.Helper()
	ca := wstest.NewAuthority(t)
	site := ca.Issue("site")
	g := wstest.StartWith(t, wstest.Options{
		Schemes: []string{"wss"}, Flags: []string{"--tls-cert", site.Cert, "--tls-key", site.Key, "--on-message", "echo", "--handshake-timeout", "60s"},
	})
	return g, ca, site
}

// served is the serial number of the certificate that a new client gets.
func served(t *testing.T, g *wstest.Gateway, config *tls.Config) *big.Int {
	t.Helper()
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: wstest.Patience}, Config: config}
	c, err := d.Dial("tcp", g.Listeners["wss"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
}

// TestSecureListener: clients over TLS 1.2 and 1.3 get what the others get, and
// their kicks arrive.
func TestSecureListener(t *testing.T) {
	t.Parallel()
	g, ca, _ := startSecure(t)
	v12 := ca.Trust()
	v12.MaxVersion = tls.VersionTLS12
	clients := []*wstest.Client{
		g.Dial(t), g.DialWith(t, wstest.DialOptions{TLS: ca.Trust()}), g.DialWith(t, wstest.DialOptions{TLS: v12}),
	}
	large := strings.Repeat("records ", 40_000)
	joinAll(t, g, clients, "news")
	for _, text := range []string{"small", large, "last"} {
		if n := g.Push(wstest.To("groups", "news"), text); n != len(clients) {
			t.Errorf("matched %d", n)
		}
	}
	for i, c := range clients {
		c.Expect("small", large, "last")
		c.Send(label("from", i))
		c.Expect(label("from", i))
	}
	g.OK("POST", "/v1/kick", M{"groups": []string{"news"}, "code": 3001, "reason": "bye"})
	for _, c := range clients {
		c.ExpectClose(3001, "bye")
	}
	if n := g.Metrics()[`castgate_tls_handshakes_total{result="full"}`]; n != 2 {
		t.Errorf("%v handshakes are counted", n)
	}
	g.Settled(t)

	// A client that trusts another authority, or wants too old a version, cannot
	// connect.
	old := ca.Trust()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for what, config := range map[string]*tls.Config{"a stranger's": wstest.NewAuthority(t).Trust(), "TLS 1.1": old} {
		if _, _, err := g.TryDial(t, wstest.DialOptions{TLS: config}); err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The stranger leaves with an alert; either of the two may be seen first.
	g.Await(func() string {
		m := g.Metrics()
		failed, gone := m[`castgate_tls_handshakes_total{result="failed"}`], m[`castgate_tls_handshakes_total{result="gone"}`]
		if failed < 1 || failed+gone != 2 || m["castgate_tls_handshakes_total"] != 4 {
			return fmt.Sprintf("%v failed, %v gone, %v in all", failed, gone, m["castgate_tls_handshakes_total"])
		}
		return ""
	})
}

// TestSecureListenerReload: after SIGHUP new clients get the new certificate and
// connected ones stay. A half-written file changes nothing and is counted.
func TestSecureListenerReload(t *testing.T) {
	t.Parallel()
	g, ca, site := startSecure(t)
	stays := g.DialWith(t, wstest.DialOptions{TLS: ca.Trust()})
	first := served(t, g, ca.Trust())
	second := ca.Renew(site)
	g.Signal(syscall.SIGHUP)
	g.Await(func() string {
		if got := served(t, g, ca.Trust()); got.Cmp(second) != 0 {
			return fmt.Sprintf("certificate %v is served, was %v, want %v", got, first, second)
		}
		return ""
	})
	g.AwaitMetric(`castgate_reloads_total{result="ok"}`, 1)
	g.Push(wstest.All(), "across the reload")
	stays.Expect("across the reload")

	whole, err := os.ReadFile(site.Cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, site.Cert, string(whole[:len(whole)/2]))
	status, answer := g.Control("POST", "/v1/reload", nil)
	if status != 409 || answer["code"] != "reload_refused" || !strings.Contains(answer["detail"].(string), site.Cert) {
		t.Errorf("a half-written certificate: %d %v", status, answer)
	}
	// The gateway also checks the files by itself, so it may count the failure
	// twice.
	if n := g.Metrics()[`castgate_tls_certificate_reloads_total{result="failed"}`]; n < 1 {
		t.Errorf("%v failures are counted", n)
	}
	if got := served(t, g, ca.Trust()); got.Cmp(second) != 0 {
		t.Errorf("after half a file certificate %v is served, want %v", got, second)
	}
	late := g.DialWith(t, wstest.DialOptions{TLS: ca.Trust()})
	g.Push(wstest.All(), "after half a file")
	stays.Expect("after half a file")
	late.Expect("after half a file")

	write(t, site.Cert, string(whole))
	g.OK("POST", "/v1/reload", nil)
	stays.ExpectNothing()
	if err := stays.Err(); err != nil {
		t.Errorf("the first client: %v", err)
	}
}

// TestSecureListenerCertificates: a certificate for another name is added and
// removed by reloads of the settings file; connected clients stay.
func TestSecureListenerCertificates(t *testing.T) {
	t.Parallel()
	ca := wstest.NewAuthority(t)
	first, second := ca.Issue("first"), ca.Issue("second")
	file := t.TempDir() + "/castgate.toml"
	list := func(pairs ...wstest.Pair) string {
		var certs, keys []string
		for _, p := range pairs {
			certs, keys = append(certs, "'"+p.Cert+"'"), append(keys, "'"+p.Key+"'")
		}
		return "tls-cert = [" + strings.Join(certs, ", ") + "]\ntls-key = [" + strings.Join(keys, ", ") + "]\n"
	}
	write(t, file, list(first))
	g := wstest.StartWith(t, wstest.Options{Schemes: []string{"wss"}, Flags: []string{"--config", file}})
	stays := g.DialWith(t, wstest.DialOptions{TLS: ca.Trust()})
	before := served(t, g, ca.Trust())
	write(t, file, list(second, first))
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[tls-cert tls-key]", "needs_restart": "[]"})
	if got := served(t, g, ca.Trust()); got.Cmp(before) == 0 {
		t.Error("the added certificate is not served")
	}
	ca.Renew(second)
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[tls-cert]", "needs_restart": "[]"})
	write(t, file, list(first))
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[tls-cert tls-key]", "needs_restart": "[]"})
	if got := served(t, g, ca.Trust()); got.Cmp(before) != 0 {
		t.Errorf("certificate %v is served, want %v", got, before)
	}
	g.Push(wstest.All(), "across the reloads")
	stays.Expect("across the reloads")
}

// TestSecureListenerPlaintext: plain HTTP to the wss port gets an answer that
// explains it, anything else is refused, and other clients are unaffected.
func TestSecureListenerPlaintext(t *testing.T) {
	t.Parallel()
	g, ca, _ := startSecure(t)
	c := g.DialWith(t, wstest.DialOptions{TLS: ca.Trust()})
	for said, want := range map[string]string{
		wstest.Handshake:        "HTTP/1.1 400 Bad Request\r\n",
		"\x00\x01 no TLS":       "\x15\x03\x03\x00\x02\x02", // a fatal alert
		"\x16\x03\x01\x00\x00A": "\x15\x03\x03\x00\x02\x02",
	} {
		conn, err := net.DialTimeout("tcp", g.Listeners["wss"], wstest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(wstest.Patience))
		_, _ = io.WriteString(conn, said)
		got, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%.20q is answered %q, %v", said, got, err)
		}
		if strings.HasPrefix(want, "HTTP") && !strings.Contains(string(got), "wss://") {
			t.Errorf("the answer does not say what to do: %q", got)
		}
	}
	g.AwaitMetric(`castgate_tls_handshakes_total{result="plaintext"}`, 1)
	g.AwaitMetric(`castgate_tls_handshakes_total{result="garbage"}`, 2)
	g.Push(wstest.All(), "served on")
	c.Expect("served on")
}

// TestControlTLS: the control API over TLS, for callers with a certificate of the
// right authority. A reload changes the authority but affects no connection.
func TestControlTLS(t *testing.T) {
	t.Parallel()
	ca, old, next := wstest.NewAuthority(t), wstest.NewAuthority(t), wstest.NewAuthority(t)
	server, trusted := ca.Issue("control"), old.Issue("backend")
	callers := t.TempDir() + "/callers.crt"
	text, err := os.ReadFile(old.File)
	if err != nil {
		t.Fatal(err)
	}
	write(t, callers, string(text))
	g := wstest.StartWith(t, wstest.Options{
		Key: "secret", ControlTLS: ca.Trust(trusted),
		Flags: []string{"--control-tls-cert", server.Cert, "--control-tls-key", server.Key, "--control-client-ca", callers, "--control-key", "secret"},
	})
	c := g.Dial(t)
	g.Push(wstest.All(), "by a known caller")
	c.Expect("by a known caller")

	// A certificate does not replace a key, nor a key a certificate.
	g.Key = ""
	g.Problem(401, "unauthorized", "POST", "/v1/push", M{"to": wstest.All(), "text": "without a key"})
	g.Key = "secret"
	call := func(config *tls.Config) error {
		client := http.Client{Timeout: wstest.Patience, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		req, err := http.NewRequest("POST", "https://"+g.ControlAddr+"/v1/push", strings.NewReader(`{"to":{"all":true},"text":"by a stranger"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
	if err := call(ca.Trust()); err == nil {
		t.Error("a caller without a certificate was served")
	}
	if err := call(ca.Trust(next.Issue("backend"))); err == nil {
		t.Error("a caller of another authority was served")
	}
	if resp, err := http.Get("http://" + g.ControlAddr + "/v1/stats"); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("plain HTTP is answered %d", resp.StatusCode)
		}
	}
	c.ExpectNothing()

	if text, err = os.ReadFile(next.File); err != nil {
		t.Fatal(err)
	}
	write(t, callers, string(text[:len(text)/2]))
	g.Problem(409, "reload_refused", "POST", "/v1/reload", nil)
	write(t, callers, string(text))
	g.OK("POST", "/v1/reload", nil)
	if err := call(ca.Trust(next.Issue("backend"))); err != nil {
		t.Errorf("the new authority's: %v", err)
	}
	c.Expect("by a stranger")
	if err := call(ca.Trust(trusted)); err == nil {
		t.Error("a caller of the old authority was served on a new connection")
	}
	// The old connection goes on, so the test can end.
	c.ExpectNothing()
}
