package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"castgate/internal/wstest"
)

// TestConnectHook: the backend is asked before a client is accepted; it binds it,
// joins it, gives it a session and a cookie, before the first message; or refuses it.
func TestConnectHook(t *testing.T) {
	t.Parallel()
	b := newEventBackend(t)
	var mu sync.Mutex
	asked := 0
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct {
			Query   string
			Headers map[string]string
		}
		if err := json.Unmarshal(body, &q); err != nil || r.Header.Get("webhook-signature") == "" {
			t.Errorf("%v in %s, signature %q", err, body, r.Header.Get("webhook-signature"))
		}
		mu.Lock()
		asked++
		mu.Unlock()
		switch {
		case q.Query == "refuse":
			http.Error(w, "no entry for you", http.StatusForbidden)
		case q.Query == "fail":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprintf(w, `{"uid":%q,"groups":["lobby"],"session":{"from":"hook"},"headers":{"Set-Cookie":"seen=1"}}`, q.Headers["x-user"])
		}
	}))
	t.Cleanup(hook.Close)
	g := wstest.Start(t, "--connect-url", hook.URL, "--events-secret", eventsSecret, "--events-url", b.url, "--events-linger", "10ms")
	for i := range 2 { // nothing is cached
		c, resp, err := g.TryDial(t, wstest.DialOptions{Header: http.Header{"X-User": {"ann"}}})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("Set-Cookie") != "seen=1" {
			t.Errorf("headers %v", resp.Header)
		}
		info := g.OK("GET", "/v1/clients/"+c.ID, nil)
		expectFields(t, info, M{"uid": "ann", "groups": "[lobby]", "session": "map[from:hook]"})
		g.Push(wstest.To("groups", "lobby"), fmt.Sprint("to the lobby ", i))
		c.Expect(fmt.Sprint("to the lobby ", i))
		b.await(c.ID, "connected")
		expectFields(t, b.of(c.ID)[0].Data, M{"uid": "ann", "groups": "[lobby]", "session": "map[from:hook]"})
		c.Close()
		b.await(c.ID, "connected disconnected")
	}
	mu.Lock()
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
	mu.Unlock()
	for query, want := range map[string]string{"refuse": "403 no entry for you\n", "fail": "503 the application did not answer, try later [hook_failed]\n"} {
		status, body := shaken(t, "http://"+g.Addr+"/?"+query)
		if got := fmt.Sprintf("%d %s", status, body); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	g.AwaitMetric(`castgate_handshakes_total{result="hook_refused"}`, 1)
	g.AwaitMetric(`castgate_handshakes_total{result="hook_failed"}`, 1)
	g.AwaitMetric(`castgate_connect_hook_total{result="accepted"}`, 2)
}

// shaken returns the answer to a handshake.
func shaken(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestConnectHookGone: nobody is asked about clients that leave while they wait.
func TestConnectHookGone(t *testing.T) {
	t.Parallel()
	asked, over := make(chan struct{}, 10), make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	t.Cleanup(hook.Close)
	g := wstest.Start(t, "--connect-url", hook.URL, "--connect-requests", "1", "--connect-timeout", "30s")
	open := func() net.Conn {
		c, err := net.Dial("tcp", g.Addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		return c
	}
	stays := open()
	t.Cleanup(func() { _ = stays.Close() })
	<-asked
	const leaving = 8
	var left [leaving]net.Conn
	for i := range left {
		left[i] = open()
	}
	g.AwaitMetric("castgate_connect_hook_waiting", leaving)
	for _, c := range left {
		_ = c.Close()
	}
	g.AwaitMetric("castgate_sockets", 1)
	close(over)
	g.AwaitMetric(`castgate_connect_hook_total{result="gone"}`, leaving)
	g.AwaitMetric(`castgate_connect_hook_total{result="accepted"}`, 1)
	if len(asked) > 0 {
		t.Errorf("asked about %d clients that had gone", len(asked))
	}
}

// TestConnectHookReload: another backend is asked from a reload on, with another
// secret; that anybody is asked is changed by a restart only.
func TestConnectHookReload(t *testing.T) {
	t.Parallel()
	answer := func(uid string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"uid":"%s, signed %t"}`, uid, r.Header.Get("webhook-signature") != "")
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	file := filepath.Join(t.TempDir(), "castgate.toml")
	write(t, file, "connect-url = '"+answer("first")+"'\n")
	g := wstest.Start(t, "--config", file)
	expectFields(t, g.OK("GET", "/v1/clients/"+g.Dial(t).ID, nil), M{"uid": "first, signed false"})
	write(t, file, "connect-url = '"+answer("second")+"'\nevents-secret = ['"+eventsSecret+"']\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[events-secret connect-url]"})
	expectFields(t, g.OK("GET", "/v1/clients/"+g.Dial(t).ID, nil), M{"uid": "second, signed true"})
	for text, want := range map[string]string{
		"log-level = 'info'\n": "--connect-url: turning connect-url on or off requires a restart",
		"connect-url = 'ftp://x'\nevents-secret = ['" + eventsSecret + "']\n": "--connect-url: it is neither",
		"connect-url = 'http://x'\n":                                          "--events-secret: the setting is missing now",
	} {
		write(t, file, text)
		if status, answer := g.Control("POST", "/v1/reload", nil); status != 409 || !strings.Contains(fmt.Sprint(answer["detail"]), want) {
			t.Errorf("%q: %d %v, want %q", text, status, answer, want)
		}
	}
	expectFields(t, g.OK("GET", "/v1/clients/"+g.Dial(t).ID, nil), M{"uid": "second, signed true"})
}

// TestConnectHookFailsOpen: with nobody there to decide, clients are let in if that
// was set; what is wrong with the settings is said at the start.
func TestConnectHookFailsOpen(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--connect-url", "http://127.0.0.1:1/", "--connect-fail", "open")
	c := g.Dial(t)
	g.Push(wstest.All(), "hello")
	c.Expect("hello")
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--connect-url", "ftp://x"}, "--connect-url: it is neither http:// nor https://"},
		{[]string{"--connect-url", "http://x", "--connect-fail", "maybe"}, `--connect-fail: "maybe" is neither`},
		{[]string{"--connect-url", "http://x", "--connect-timeout", "2h"}, "--connect-timeout: 2h0m0s is not between"},
		{[]string{"--connect-url", "http://x", "--connect-requests", "0"}, "--connect-requests: 0 is not between"},
		{[]string{"--connect-url", "http://x", "--listen", "text://127.0.0.1:0"}, "--connect-url: cannot be asked about clients of text://"},
		{[]string{"--connect-fail", "open"}, "--connect-fail: has no effect"},
	} {
		out, err := wstest.Command(t, append([]string{"config", "check"}, tt.flags...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%q: %v\n%s, want %q", tt.flags, err, out, tt.want)
		}
	}
}
