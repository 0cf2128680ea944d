package control

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"castgate/server/control/access"
)

func scoped(t *testing.T, name string, s access.Scope) (access.Key, string) {
	t.Helper()
	key, secret, err := access.NewKey(name, s)
	if err != nil {
		t.Fatal(err)
	}
	return key, "X-API-Key: " + secret
}

// TestScopeOfRoutes: each request is executed with a key of its scope, and
// answered 403 with one that has all others.
func TestScopeOfRoutes(t *testing.T) {
	headers := map[access.Scope]string{}
	var keys []access.Key
	for _, s := range []access.Scope{access.ScopeRead, access.ScopePush, access.ScopeManage, access.ScopeRead | access.ScopePush, access.ScopeRead | access.ScopeManage, access.ScopePush | access.ScopeManage} {
		key, header := scoped(t, "key-"+strings.ReplaceAll(s.String(), ",", "-"), s)
		keys, headers[s] = append(keys, key), header
	}
	p := start(t, func(c *Config) { c.ScopedKeys = keys })
	tried := map[*route]bool{}
	for _, tt := range []struct {
		scope              access.Scope
		method, path, body string
	}{
		{access.ScopeRead, "GET", "/v1/stats", ""},
		{access.ScopeRead, "GET", "/v1/nodes", ""},
		{access.ScopeRead, "GET", "/v1/explain?uid=ann", ""},
		{access.ScopeRead, "GET", "/v1/clients", ""},
		{access.ScopeRead, "GET", "/v1/uids", ""},
		{access.ScopeRead, "GET", "/v1/groups", ""},
		{access.ScopeRead, "GET", "/v1/clients/c-1", ""},
		{access.ScopeRead, "GET", "/metrics", ""},
		{access.ScopeRead, "POST", "/v1/online", `{}`},
		{access.ScopeRead, "POST", "/v1/counts", `{}`},
		{access.ScopePush, "POST", "/v1/push", `{"to":{"all":true},"text":"x"}`},
		{access.ScopePush, "POST", "/v1/push/raw?all=1", "x"},
		{access.ScopeManage, "POST", "/v1/bind", `{"client_id":"c-1","uid":"u"}`},
		{access.ScopeManage, "POST", "/v1/unbind", `{"client_id":"c-1"}`},
		{access.ScopeManage, "POST", "/v1/join", `{"uids":["u"],"groups":["g"]}`},
		{access.ScopeManage, "POST", "/v1/leave", `{"uids":["u"],"groups":["g"]}`},
		{access.ScopeManage, "POST", "/v1/ungroup", `{"groups":["g"]}`},
		{access.ScopeManage, "POST", "/v1/kick", `{"all":true}`},
		{access.ScopeManage, "PUT", "/v1/clients/c-1/session", `{}`},
		{access.ScopeManage, "PATCH", "/v1/clients/c-1/session", `{}`},
		{access.ScopeManage, "POST", "/v1/reload", ``},
		{access.ScopeRead, "GET", "/v1/events", ""},
		{access.ScopeRead, "GET", "/v1/events/dead", ""},
		{access.ScopeManage, "POST", "/v1/events/replay?dead=1", ""},
	} {
		if status, answer, _ := p.ask(tt.method, tt.path, tt.body, headers[tt.scope]); status != 200 {
			t.Errorf("%s %s with %s: %d %s", tt.method, tt.path, tt.scope, status, answer)
		}
		p.fake.took()
		others := access.AllScopes &^ tt.scope
		detail := p.refuses(403, "forbidden", tt.method, tt.path, tt.body, headers[others])
		if !strings.HasSuffix(detail, "needs "+tt.scope.String()) || !strings.Contains(detail, "key-"+strings.ReplaceAll(others.String(), ",", "-")) {
			t.Errorf("detail %q names neither the key nor the scope", detail)
		}
		if got := p.fake.took(); got != "" {
			t.Errorf("%s: the gateway was asked %s", tt.path, got)
		}
		path, _, _ := strings.Cut(strings.ReplaceAll(tt.path, "c-1", "{client_id}"), "?")
		for _, r := range p.routes.routes {
			if r.method == tt.method && r.path == path {
				tried[r] = true
			}
		}
	}
	for _, r := range p.routes.routes {
		if !r.open && !tried[r] && r.path != "/v1/batch" {
			t.Errorf("no test of the scope of %s %s", r.method, r.path)
		}
		if !r.open && r.scope == 0 && r.path != "/v1/batch" {
			t.Errorf("%s %s needs no scope", r.method, r.path)
		}
	}
	p.refuses(404, "not_found", "GET", "/nothing", "", headers[access.ScopeRead])
}

// TestScopesInBatch: each command needs the right of its own request.
func TestScopesInBatch(t *testing.T) {
	key, header := scoped(t, "backend", access.ScopePush|access.ScopeRead)
	p := start(t, func(c *Config) { c.ScopedKeys = []access.Key{key} })
	for op := range verbBodies() {
		v := findVerb(op)
		if v.scope != access.ScopeRead && v.scope != access.ScopePush && v.scope != access.ScopeManage {
			t.Errorf("%s has the scope %q", op, v.scope)
		}
	}
	status, body, _ := p.ask("POST", "/v1/batch", `{"commands":[{"op":"push","to":{"all":true},"text":"x"},{"op":"kick","all":true},`+
		`{"op":"put_session","client_id":"c-1","session":{}},{"op":"counts","groups":["g"]}]}`, header)
	if status != 200 || strings.Count(body, `{"status":200`) != 2 || strings.Count(body, `{"status":403,"problem":`) != 2 ||
		!strings.Contains(body, "kick needs manage") || !strings.Contains(body, "put_session needs manage") {
		t.Errorf("%d %s", status, body)
	}
	if got := p.fake.took(); strings.Contains(got, "kick") || strings.Contains(got, "session") || !strings.Contains(got, "push") {
		t.Errorf("the gateway was asked %s", got)
	}
}

// TestSetAccess: keys and networks change while connections are open.
func TestSetAccess(t *testing.T) {
	old, oldHeader := scoped(t, "old", access.AllScopes)
	p := start(t, func(c *Config) { c.ScopedKeys = []access.Key{old} })
	if status, _, _ := p.ask("GET", "/v1/stats", "", oldHeader); status != 200 {
		t.Fatal(status)
	}
	next, nextHeader := scoped(t, "next", access.ScopeRead)
	if err := p.SetAccess(access.Access{ScopedKeys: []access.Key{next}, Keys: []string{"full"}}); err != nil {
		t.Fatal(err)
	}
	p.refuses(401, "unauthorized", "GET", "/v1/stats", "", oldHeader)
	for _, header := range []string{nextHeader, "X-API-Key: full"} {
		if status, _, _ := p.ask("GET", "/v1/stats", "", header); status != 200 {
			t.Errorf("with a new key: %d", status)
		}
	}
	for _, wrong := range []access.Access{
		{Keys: []string{"a b"}}, {ScopedKeys: []access.Key{{Name: "x"}}}, {Allow: []netip.Prefix{{}}}, {Allow: make([]netip.Prefix, access.MaxAllow+1)},
		{ScopedKeys: make([]access.Key, access.MaxKeys+1)}, {Keys: make([]string, access.MaxKeys+1)},
		{Keys: []string{strings.TrimPrefix(nextHeader, "X-API-Key: ")}, ScopedKeys: []access.Key{next}},
	} {
		if err := p.SetAccess(wrong); err == nil || !strings.HasPrefix(err.Error(), "control-") {
			t.Errorf("%.100v: %v", wrong, err)
		}
	}
	if status, _, _ := p.ask("GET", "/v1/stats", "", nextHeader); status != 200 {
		t.Errorf("after wrong changes: %d", status)
	}
	// The connection that ask uses stays open; its next request is refused.
	if err := p.SetAccess(access.Access{Keys: []string{"full"}, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}); err != nil {
		t.Fatal(err)
	}
	p.refuses(403, "forbidden", "GET", "/v1/stats", "", "X-API-Key: full")
	_, in := p.dial()
	if said, err := io.ReadAll(in); len(said) > 0 || p.listener.Counts().Denied != 1 {
		t.Errorf("a stranger was told %q, %v; %d denied", said, err, p.listener.Counts().Denied)
	}
	if err := p.SetAccess(access.Access{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("from an allowed address: %d", status)
	}
}

// TestExposedKeepsKeys: a port that other hosts can reach cannot lose its last
// key.
func TestExposedKeepsKeys(t *testing.T) {
	p := start(t, func(c *Config) { c.Listen, c.Keys = "0.0.0.0:0", []string{"k"} })
	if err := p.SetAccess(access.Access{}); err == nil || !strings.HasPrefix(err.Error(), "control: ") {
		t.Errorf("%v", err)
	}
	if p.access.Load().Keys() != 1 {
		t.Error("the key is gone")
	}
}

// TestRebinding: without keys a page cannot make its own name resolve to the
// port.
func TestRebinding(t *testing.T) {
	p := start(t, nil)
	ask := func(host string) (int, string) {
		c, in := p.dial()
		fmt.Fprintf(c, "GET /v1/clients HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		status, body, _ := read(t, in)
		return status, body
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.1:7273", "localhost", "localhost:7273", "LOCALHOST:1", "[::1]", "[::1]:7273", "a.localhost:7273", "control", "[::ffff:127.0.0.1]:1"} {
		if status, body := ask(host); status != 200 {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:7273", "127.0.0.1.evil.example", "localhost.evil.example:7273", "evil.localhost.example", "xlocalhost.", "1.evil:80"} {
		if status, body := ask(host); status != 403 || !strings.Contains(body, `"browser"`) {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	if err := p.SetAccess(access.Access{Keys: []string{"k"}}); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := p.ask("GET", "/v1/stats", "", "X-API-Key: k"); status != 200 {
		t.Error(status)
	}
	if status, _ := ask("evil.example"); status != 401 {
		t.Errorf("with keys: %d", status)
	}
}

// TestKeysOfOneName: both keys of a name open the port while callers switch over.
func TestKeysOfOneName(t *testing.T) {
	p := start(t, func(c *Config) {
		for _, secret := range []string{"old", "new"} {
			c.ScopedKeys = append(c.ScopedKeys, access.Key{Name: "backend", Scopes: access.ScopeRead, Hash: sha256.Sum256([]byte(secret))})
		}
	})
	for _, secret := range []string{"new", "old"} {
		if status, _, _ := p.ask("GET", "/v1/stats", "", "X-API-Key: "+secret); status != 200 {
			t.Errorf("the %s key: %d", secret, status)
		}
	}
}
