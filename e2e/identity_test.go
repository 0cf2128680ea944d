package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"castgate/internal/wstest"
)

const tokenSecret = "a secret of more than thirty-two bytes"

// signed is an HS256 token.
func signed(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// file writes a file for the test.
func file(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A client with a token belongs to its user from the first moment. Pushes to its
// uid and groups reach it, and it is closed when the token expires.
func TestTokenBindsAndExpires(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--jwt-secret", "@"+file(t, "secret", []byte(tokenSecret+"\n")), "--jwt-cookie", "session", "--jwt-query", "token")
	claims := jwt.MapClaims{"sub": "ann", "groups": []string{"news"}}
	text := signed(t, claims)
	claims["exp"] = time.Now().Unix() + 10
	short := signed(t, claims)
	clients := []*wstest.Client{
		g.DialWith(t, wstest.DialOptions{Subprotocols: []string{"castgate", "bearer." + text}}),
		g.DialWith(t, wstest.DialOptions{Subprotocols: []string{"bearer." + text}}),
		g.DialWith(t, wstest.DialOptions{Header: http.Header{"Cookie": {"a=b; session=" + text}}}),
		g.DialWith(t, wstest.DialOptions{Path: "/?x=y&token=" + text}),
	}
	for i, want := range []string{"castgate", "bearer." + text, "", ""} {
		if got := clients[i].Conn.Subprotocol(); got != want {
			t.Errorf("client %d: subprotocol %.30q", i, got)
		}
	}
	ending := g.DialWith(t, wstest.DialOptions{Path: "/?token=" + short})
	later := g.Dial(t) // is bound by the backend, as without tokens
	g.Bind(later.ID, "ann", "news")
	g.Push(M{"uids": []string{"ann"}}, "to ann")
	g.Push(M{"groups": []string{"news"}}, "to news")
	for _, c := range append(clients, later) {
		c.Expect("to ann", "to news")
	}
	ending.ExpectClose(3401, "token expired")
	g.AwaitMetric(`castgate_closes_total{reason="token_expired"}`, 1)
	if n := g.OK("POST", "/v1/counts", M{"uids": []string{"ann"}})["uids"].(M)["ann"]; n != 5.0 {
		t.Errorf("ann has %v connections", n)
	}
}

// Keys from a PEM file and a key set, replaced by a reload.
func TestTokenKeyFiles(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "ann"}).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(M{"keys": []M{{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}}})
	if err != nil {
		t.Fatal(err)
	}
	keys := file(t, "keys.json", set)
	options := wstest.DialOptions{Path: "/?token=" + text}
	pemFile := file(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	g := wstest.Start(t, "--jwt-public-key", pemFile, "--jwt-query", "token")
	g.DialWith(t, options)
	g = wstest.Start(t, "--jwt-jwks", keys, "--jwt-query", "token", "--jwt-required")
	old := g.DialWith(t, options)
	if err := os.WriteFile(keys, []byte(`{"keys":[{"kty":"oct","k":"`+base64.RawURLEncoding.EncodeToString([]byte(tokenSecret))+`"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g.OK("POST", "/v1/reload", nil)
	if _, resp, _ := g.TryDial(t, options); resp == nil || resp.StatusCode != 401 {
		t.Errorf("the old key is still accepted: %v", resp)
	}
	g.DialWith(t, wstest.DialOptions{Path: "/?token=" + signed(t, jwt.MapClaims{"sub": "ann"})})
	g.Push(M{"uids": []string{"ann"}}, "hello")
	old.Expect("hello")
}

func TestTokensRefused(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--jwt-secret", tokenSecret, "--jwt-audience", "push", "--jwt-query", "token", "--jwt-required")
	now := time.Now().Unix()
	good := jwt.MapClaims{"sub": "ann", "aud": "push"}
	with := func(key string, value any) string {
		c := jwt.MapClaims{key: value}
		for k, v := range good {
			if _, ok := c[k]; !ok {
				c[k] = v
			}
		}
		return signed(t, c)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, good).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	fine := g.DialWith(t, wstest.DialOptions{Path: "/?token=" + signed(t, good)})
	for label, text := range map[string]string{
		"token_missing": "", "token_expired": with("exp", now-60), "token_early": with("nbf", now+3600),
		"token_audience": with("aud", "other"), "token_invalid": none, "token_claims": with("groups", []string{strings.Repeat("g", 129)}),
	} {
		_, resp, err := g.TryDial(t, wstest.DialOptions{Path: "/?token=" + text})
		if resp == nil || resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %v, %v", label, resp, err)
		}
		g.AwaitMetric(`castgate_handshakes_total{result="`+label+`"}`, 1)
	}
	r := g.DialRaw(t)
	r.Put([]byte(strings.Replace(wstest.Handshake, "GET /", "GET /?token="+strings.Repeat("x", 100<<10), 1)))
	if status := r.Status(); status != 431 {
		t.Errorf("a token of 100 KB: %d", status)
	}
	g.Push(M{"uids": []string{"ann"}}, "unharmed")
	fine.Expect("unharmed")
}

func remoteAddr(g *wstest.Gateway, c *wstest.Client) string {
	return fmt.Sprint(g.OK("GET", "/v1/clients/"+c.ID, nil)["remote_addr"])
}

func TestForwardedClients(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--max-conns-per-ip", "1")
	from := func(field, value string) wstest.DialOptions {
		return wstest.DialOptions{Header: http.Header{field: {value}}}
	}
	for value, want := range map[string]string{
		"1.1.1.1, 203.0.113.7, 10.0.0.3": "203.0.113.7:0", "2001:db8::1": "[2001:db8::1]:0",
	} {
		if got := remoteAddr(g, g.DialWith(t, from("X-Forwarded-For", value))); got != want {
			t.Errorf("%s: %s", value, got)
		}
	}
	if got := remoteAddr(g, g.DialWith(t, from("Forwarded", `for="[2001:db8:1::1]:99"`))); got != "[2001:db8:1::1]:99" {
		t.Errorf("Forwarded: %s", got)
	}
	_, resp, _ := g.TryDial(t, from("X-Forwarded-For", "203.0.113.7"))
	if resp == nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a second connection: %v", resp)
	}
	g.AwaitMetric(`castgate_handshakes_total{result="address_conns"}`, 1)
	stranger := wstest.Start(t, "--trusted-proxies", "10.0.0.0/8")
	if got := remoteAddr(stranger, stranger.DialWith(t, from("X-Forwarded-For", "203.0.113.7"))); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("a stranger's header is trusted: %s", got)
	}
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--trusted-proxies", "127.0.0.0/8", "--proxy-protocol")
	const header = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 7272\r\n"
	r := g.DialRaw(t)
	r.Put([]byte(header))
	r.Upgrade()
	rows := g.OK("GET", "/v1/clients", nil)["clients"].([]any)
	if len(rows) != 1 || rows[0].(M)["remote_addr"] != "203.0.113.7:4711" {
		t.Errorf("clients %v", rows)
	}
	bare := g.DialRaw(t)
	bare.Put([]byte(wstest.Handshake))
	if status := bare.Status(); status != 400 {
		t.Errorf("without a header: %d", status)
	}
	far := wstest.Start(t, "--trusted-proxies", "10.0.0.0/8", "--proxy-protocol")
	stranger := far.DialRaw(t)
	stranger.Put([]byte(header + wstest.Handshake))
	if status := stranger.Status(); status != 400 {
		t.Errorf("a stranger's header: %d", status)
	}
	far.AwaitMetric(`castgate_handshakes_total{result="proxy_header"}`, 1)
	far.Dial(t)
}

// Limits close or refuse only clients that exceed them; a reload lifts them.
func TestRates(t *testing.T) {
	t.Parallel()
	config := file(t, "castgate.toml", []byte("message-rate = 0.001\nmessage-burst = 3\nconnect-rate-per-ip = 0.001\nconnect-burst-per-ip = 2\n"))
	g := wstest.Start(t, "--config", config)
	talker, listener := g.Dial(t), g.Dial(t)
	for range 3 {
		talker.Send("x")
	}
	g.AwaitMetric("castgate_messages_received_total", 3)
	talker.Send("x")
	talker.ExpectClose(1008, "too many messages")
	g.AwaitMetric(`castgate_closes_total{reason="message_rate"}`, 1)
	if _, resp, _ := g.TryDial(t, wstest.DialOptions{}); resp == nil || resp.StatusCode != 429 {
		t.Errorf("a third connect: %v", resp)
	}
	if err := os.WriteFile(config, []byte("message-rate = 0\n"), 0o600); err != nil { // an empty file is refused
		t.Fatal(err)
	}
	g.OK("POST", "/v1/reload", nil)
	g.Dial(t)
	for range 10 {
		listener.Send("x")
	}
	g.AwaitMetric("castgate_messages_received_total", 13)
}

// A browser accepts the selected subprotocol, with the token next to castgate or
// alone, and cannot connect with an invalid token.
func TestTokenOfAPage(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--jwt-secret", tokenSecret)
	p := openPage(t, "http://"+g.Addr+"/") // the refusal is a page of a local origin
	text := signed(t, jwt.MapClaims{"sub": "ann"})
	for offers, want := range map[string]string{
		`["castgate", "bearer.` + text + `"]`:  "castgate",
		`["bearer.` + text + `"]`:              "bearer." + text,
		`["castgate", "bearer.` + text + `x"]`: "refused",
	} {
		got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`new Promise(done => {
			const ws = new WebSocket("ws://`+g.Addr+`/", `+offers+`)
			ws.onopen = () => { done(ws.protocol); ws.close() }
			ws.onerror = () => done("refused")
		})`, chromedp.EvalAwaitPromise))
		if err != nil || got != want {
			t.Errorf("offers %.40s: %.40q, %v, want %.40q", offers, got, err, want)
		}
	}
}
