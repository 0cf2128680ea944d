package admin

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Every answer has a policy without inline code or eval; WebSockets go to this port and
// to the listeners for clients, whatever the Host says.
func TestPolicy(t *testing.T) {
	t.Parallel()
	r := start(t)
	get := func(r *rig, path, host string) http.Header {
		req, _ := http.NewRequest("GET", r.url+path, nil)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Header
	}
	for _, path := range []string{"/", "/api/overview", "/nothing", "/api/nothing", "/docs/openapi.json"} {
		h := get(r, path, "")
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "ws://" + r.gateway.Addrs()[0].String()} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "text:") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
	}
	r = startWith(t, func(c *Config) { c.Clients = []string{"ws://0.0.0.0:7272", "wss://[::]:7443", "ws://10.1.2.3:80"} })
	if got, want := get(r, "/", "gateway.example:7274").Get("Content-Security-Policy"), "connect-src 'self' ws://gateway.example:7272 wss://gateway.example:7443 ws://10.1.2.3:80;"; !strings.Contains(got, want) {
		t.Errorf("policy %q, want %s in it", got, want)
	}
	if got := get(r, "/", "x; script-src *").Get("Content-Security-Policy"); strings.Contains(got, "*") {
		t.Errorf("a Host is in the policy: %q", got)
	}
}

// The page is in the program, or else the port says how to build it; so is what is
// bundled into it.
func TestPage(t *testing.T) {
	t.Parallel()
	r := start(t)
	resp, err := http.Get(r.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := make([]byte, 4096)
	n, _ := resp.Body.Read(text)
	page := string(text[:n])
	switch {
	case r.Built() && (!strings.Contains(page, "/app.js") || !strings.Contains(Licenses(), "preact") || !strings.Contains(Licenses(), "uplot")):
		t.Errorf("page %q, licences of %d bytes", page, len(Licenses()))
	case !r.Built() && (!strings.Contains(page, "make build") || Licenses() != ""):
		t.Errorf("page %q", page)
	}
	if strings.Contains(page, "<style") || strings.Contains(page, "onclick") {
		t.Errorf("the page has something inline: %q", page)
	}
}

// The reference of the API needs no key, as at the control port, and may not do more than
// the page but for pictures of its style sheet.
func TestDocs(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(c *Config) { c.Document = []byte(`{"openapi":"3.1.0"}`) }, "read ops key")
	if got := r.ok("GET", "/docs/openapi.json", ""); got["openapi"] != "3.1.0" {
		t.Errorf("the document: %v", got)
	}
	resp, err := http.Get(r.url + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if want := map[bool]string{true: "/docs.js", false: "make build"}[r.Built()]; !strings.Contains(string(text), want) {
		t.Errorf("docs %q", text)
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "img-src 'self' data:;", "connect-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

// A large file is kept as gzip makes it, and told to those who do not know gzip as it was.
func TestGzippedFiles(t *testing.T) {
	t.Parallel()
	r := start(t)
	var kept bytes.Buffer
	w := gzip.NewWriter(&kept)
	_, _ = w.Write([]byte("let x;"))
	_ = w.Close()
	r.pages["/large.js"] = file{kept.Bytes(), mediaTypes[".js"], true}
	for accepts, want := range map[string]string{"gzip, br": kept.String(), "": "let x;"} {
		req, _ := http.NewRequest("GET", r.url+"/large.js", nil)
		req.Header.Set("Accept-Encoding", accepts)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(text) != want || (resp.Header.Get("Content-Encoding") == "gzip") != (accepts != "") {
			t.Errorf("to %q: %q, %v", accepts, text, resp.Header)
		}
	}
}
