package e2e

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

// On an address that other hosts reach, the admin page needs TLS and keys, or else the
// gateway does not start.
func TestAdminInTheOpen(t *testing.T) {
	t.Parallel()
	site := wstest.NewAuthority(t).Issue("site")
	public := strings.Replace(wstest.FreeAddr(t), "127.0.0.1", "0.0.0.0", 1)
	flags := []string{"--listen", wstest.FreeAddr(t), "--control", wstest.FreeAddr(t), "--admin", public}
	refuses(t, flags, "admin", public, "in the clear", "admin-tls-cert")
	refuses(t, append(flags, "--admin-tls-cert", site.Cert, "--admin-tls-key", site.Key), "admin", "control-key")
	refuses(t, append(flags, "--admin-tls-cert", site.Cert), "admin-tls-key")
}

// Over TLS the cookie is for TLS alone, the tail is a WebSocket over TLS, and who speaks
// without TLS gets nothing.
func TestAdminOverTLS(t *testing.T) {
	t.Parallel()
	const key = "a-key-of-some-length"
	authority := wstest.NewAuthority(t)
	site, addr := authority.Issue("site"), wstest.FreeAddr(t)
	g := wstest.StartWith(t, wstest.Options{Key: key, Flags: []string{
		"--admin", addr, "--admin-tls-cert", site.Cert, "--admin-tls-key", site.Key, "--control-key", key,
	}})
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: wstest.Patience, Transport: &http.Transport{TLSClientConfig: authority.Trust()}}
	url := "https://" + addr
	login, _ := http.NewRequest("POST", url+"/api/login", strings.NewReader(`{"key":"`+key+`"}`))
	login.Header.Set("Origin", url)
	login.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(login)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	cookie := answer.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-castgate-admin-", "Secure", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q lacks %s", cookie, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	tail, _, err := websocket.Dial(ctx, "wss://"+addr+"/api/tail", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {url}}})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.CloseNow()
	c := g.Dial(t)
	told := ""
	for !strings.Contains(told, c.ID) {
		_, text, err := tail.Read(ctx)
		if err != nil {
			t.Fatalf("after %s: %v", told, err)
		}
		told += string(text)
	}
	answer, err = http.Get("http://" + addr + "/")
	if err == nil {
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			t.Error("the page is there without TLS")
		}
	}
}
