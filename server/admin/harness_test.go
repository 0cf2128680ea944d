package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/server"
	"castgate/server/control/access"
)

// patience is how long a test waits for what must come.
const patience = 40 * time.Second

// rig is an admin port of a server in this process.
type rig struct {
	*Server
	t       *testing.T
	gateway *server.Server
	access  atomic.Pointer[access.Checker]
	url     string
	http    *http.Client // with the cookies of a browser
	mu      sync.Mutex
	audited bytes.Buffer
}

// Write gathers the audit log.
func (r *rig) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.audited.Write(line)
}

// log is the audit log.
func (r *rig) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.audited.String()
}

// start runs a port for keys, which are "scopes name secret".
func start(t *testing.T, keys ...string) *rig {
	t.Helper()
	return startWith(t, func(*Config) {}, keys...)
}

// startWith is start with a configuration that was changed.
func startWith(t *testing.T, change func(*Config), keys ...string) *rig {
	t.Helper()
	r := &rig{t: t}
	c := server.Defaults()
	c.Listen, c.Loops = []string{"127.0.0.1:0"}, 1
	gw, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.gateway = gw
	r.allow(keys...)
	conf := Config{
		Listen: "127.0.0.1:0", Keyed: len(keys) > 0, Access: r.access.Load, Gateway: gw, Historian: gw,
		Clients: []string{"ws://" + gw.Addrs()[0].String(), "text://127.0.0.1:1"}, Control: "http://127.0.0.1:7273",
		Audit: slog.NewTextHandler(r, nil), Version: "test",
	}
	change(&conf)
	r.Server, err = New(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- gw.Run() }()
	go func() { ended <- r.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		gw.Stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	jar, _ := cookiejar.New(nil)
	r.http = &http.Client{Jar: jar, Timeout: patience}
	r.url = strings.TrimSuffix(r.URL(), "/")
	return r
}

// allow replaces the keys.
func (r *rig) allow(keys ...string) {
	var a access.Access
	for _, k := range keys {
		f := strings.Fields(k)
		scopes, err := access.ParseScopes(f[0])
		if err != nil {
			r.t.Fatal(err)
		}
		a.ScopedKeys = append(a.ScopedKeys, keyOf(f[1], scopes, f[2]))
	}
	r.access.Store(access.NewChecker(a))
}

// ask makes a request as the page does, but for what change changes.
func (r *rig) ask(method, path, body string, change func(*http.Request)) (status int, answer map[string]any) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Origin", r.url)
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(text, &answer); err != nil {
		r.t.Fatalf("%s %s: %s: %q", method, path, resp.Status, text)
	}
	return resp.StatusCode, answer
}

// refuses makes a request that must be refused.
func (r *rig) refuses(status int, code, method, path, body string, change func(*http.Request)) {
	r.t.Helper()
	got, answer := r.ask(method, path, body, change)
	if got != status || answer["code"] != code {
		r.t.Errorf("%s %s %s: %d %v, want %d %s", method, path, body, got, answer, status, code)
	}
}

// ok makes a request that must succeed.
func (r *rig) ok(method, path, body string) map[string]any {
	r.t.Helper()
	status, answer := r.ask(method, path, body, nil)
	if status != http.StatusOK {
		r.t.Fatalf("%s %s %s: %d %v", method, path, body, status, answer)
	}
	return answer
}

// login logs in, with "" where there are no keys.
func (r *rig) login(key string) map[string]any {
	r.t.Helper()
	return r.ok("POST", "/api/login", `{"key":"`+key+`"}`)
}

// dial connects a client of the gateway and returns its id.
func (r *rig) dial() string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+r.gateway.Addrs()[0].String()+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	_, first, err := conn.Read(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	var init struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(first, &init); err != nil {
		r.t.Fatal(err)
	}
	return init.ClientID
}
