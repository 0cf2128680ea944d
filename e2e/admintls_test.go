package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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

// From a page over TLS a browser connects to wss:// alone, but for its own host. So the
// page takes the listener with TLS, and without one it says what is missing.
func TestAdminTryOverTLS(t *testing.T) {
	t.Parallel()
	const key, name = "a-key-of-some-length", "gateway.example"
	site := wstest.NewAuthority(t).Issue("site", name)
	port := func() string { return fmt.Sprint(wstest.FreePort(t)) }
	for _, tt := range []struct {
		what, host string
		secure     bool
		state      string
	}{
		{"a listener with TLS", name, true, "connected"},
		{"no listener with TLS", name, false, "not possible from here"},
		{"no listener with TLS, this host", "127.0.0.1", false, "connected"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			plain, secure, admin := port(), port(), port()
			listen := "0.0.0.0:" + plain
			flags := []string{"--admin", "127.0.0.1:" + admin, "--admin-tls-cert", site.Cert, "--admin-tls-key", site.Key, "--control-key", key, "--control", wstest.FreeAddr(t)}
			if tt.secure {
				listen += ",wss://0.0.0.0:" + secure
				flags = append(flags, "--tls-cert", site.Cert, "--tls-key", site.Key)
			}
			wstest.StartWith(t, wstest.Options{Key: key, Flags: append(flags, "--listen", listen)})
			client := &http.Client{Timeout: wstest.Patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			needPageOf(t, client, "https://127.0.0.1:"+admin+"/")
			p := openPage(t, "https://"+tt.host+":"+admin+"/",
				chromedp.Flag("host-resolver-rules", "MAP "+name+" 127.0.0.1"), chromedp.Flag("ignore-certificate-errors", true))
			p.types("#key", key)
			p.sees("h1", "Overview")
			p.goTo("#/try")
			p.sees("#try-state", tt.state)
			switch {
			case tt.secure:
				p.sees("main", "wss://"+name+":"+secure+"/")
			case tt.state == "connected":
				p.sees("#try-id")
			default:
				p.sees("main", "ws://"+name+":"+plain+"/", "--listen wss://", "ssh -L")
			}
		})
	}
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
