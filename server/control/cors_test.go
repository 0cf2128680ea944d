package control

import (
	"net/http"
	"strings"
	"testing"

	"castgate/server/control/access"
)

const page = "https://admin.example.com"

func startShared(t *testing.T) *port {
	return start(t, func(c *Config) {
		c.Keys = []string{"first-key"}
		c.Origins = []string{"HTTPS://Admin.Example.com:443/", "http://localhost:5173"}
		c.MaxBody = 4 << 10
	})
}

// TestPreflight: a page of an allowed origin is told what it may do, without a
// key; any other gets nothing that its browser would take for permission.
func TestPreflight(t *testing.T) {
	p := startShared(t)
	ask := func(path string, header ...string) (int, http.Header) {
		status, _, h := p.ask("OPTIONS", path, "", append(header, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type")...)
		return status, h
	}
	for _, origin := range []string{page, "http://localhost:5173"} {
		status, h := ask("/v1/push", "Origin: "+origin)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "OPTIONS, POST",
			"Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key", "Access-Control-Max-Age": "600",
			"Access-Control-Allow-Credentials": "", "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
		} {
			if status != 204 || h.Get(name) != want {
				t.Errorf("%s: %d, %s: %q, want %q", origin, status, name, h.Get(name), want)
			}
		}
	}
	if _, h := ask("/v1/clients/c-1/session", "Origin: "+page); h.Get("Access-Control-Allow-Methods") != "OPTIONS, PATCH, PUT" {
		t.Errorf("of a session: %v", h)
	}
	// A page can read that its path is wrong only if its browser makes the request.
	if status, h := ask("/v1/push/", "Origin: "+page); status != 204 || h.Get("Access-Control-Allow-Methods") != "GET, PATCH, POST, PUT" {
		t.Errorf("of a path that is not there: %d %v", status, h)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://admin.example.com.evil.example", "http://admin.example.com", "https://admin.example.com:8443"} {
		if status, h := ask("/v1/push/", "Origin: "+origin); status == 204 || h.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s, of a path that is not there: %d %v", origin, status, h)
		}
		if status, h := ask("/v1/push", "Origin: "+origin); status != 403 || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: %d %v", origin, status, h)
		}
	}
	// An OPTIONS request that is not a preflight needs a key.
	p.refuses(401, "unauthorized", "OPTIONS", "/v1/push", "", "Origin: "+page)
	p.refuses(401, "unauthorized", "OPTIONS", "/v1/push", "", "Access-Control-Request-Method: POST")
	if calls := p.fake.took(); calls != "" {
		t.Errorf("the gateway was asked %s", calls)
	}
}

// TestSharedAnswers: pages of an allowed origin may read all answers, including
// refusals; all answers tell caches that the origin matters.
func TestSharedAnswers(t *testing.T) {
	p := startShared(t)
	const key = "Authorization: Bearer first-key"
	for _, tt := range []struct {
		status                     int
		method, path, body, header string
	}{
		{200, "POST", "/v1/push", `{"to":{"all":true},"text":"x"}`, key},
		{400, "POST", "/v1/push", `{`, key},
		{401, "POST", "/v1/push", `{}`, ""},
		{404, "GET", "/nothing", "", key},
		{413, "POST", "/v1/push/raw?all=1", strings.Repeat("x", 8<<10), key},
		{405, "GET", "/v1/push", "", key},
		{200, "GET", "/v1/openapi.json", "", ""},
	} {
		status, _, h := p.ask(tt.method, tt.path, tt.body, tt.header, "Origin: "+page)
		if status != tt.status || h.Get("Access-Control-Allow-Origin") != page || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: %d %v", tt.method, tt.path, status, h)
		}
		_, _, h = p.ask(tt.method, tt.path, tt.body, tt.header, "Origin: https://evil.example")
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "Origin" {
			t.Errorf("%s %s, of another origin: %v", tt.method, tt.path, h)
		}
	}
	if err := p.SetAccess(access.Access{Keys: []string{"first-key"}}); err != nil {
		t.Fatal(err)
	}
	_, _, h := p.ask("GET", "/v1/stats", "", key, "Origin: "+page)
	if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "" {
		t.Errorf("after the origins were taken away: %v", h)
	}
	if detail := p.refuses(403, "browser", "OPTIONS", "/v1/push", "", "Origin: "+page, "Access-Control-Request-Method: POST"); !strings.Contains(detail, "control-cors-origins") {
		t.Error(detail)
	}
}
