package e2e

import (
	"net/http"
	"os"
	"testing"

	"castgate/internal/wstest"
)

// TestControlCORS: a page may call the control API if its origin is allowed, until
// a reload revokes that.
func TestControlCORS(t *testing.T) {
	t.Parallel()
	const page = "https://admin.example.com"
	const keys = "control-key = ['" + controlKey + "']\n"
	path := file(t, "castgate.toml", []byte(keys+"control-cors-origins = ['"+page+":443']\n"))
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--config", path}})
	ask := func(method string) *http.Response {
		t.Helper()
		header := http.Header{"Origin": {page}}
		if method == http.MethodOptions {
			header["Access-Control-Request-Method"] = []string{"GET"}
			header["Authorization"] = nil // browsers send no key with it
		}
		resp, err := g.Request(method, "/v1/stats", nil, header)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	for method, want := range map[string]int{http.MethodOptions: 204, http.MethodGet: 200} {
		if r := ask(method); r.StatusCode != want || r.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%s: %d %v", method, r.StatusCode, r.Header)
		}
	}
	if err := os.WriteFile(path, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	g.OK("POST", "/v1/reload", nil)
	for method, want := range map[string]int{http.MethodOptions: 403, http.MethodGet: 200} {
		if r := ask(method); r.StatusCode != want || r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s after a reload: %d %v", method, r.StatusCode, r.Header)
		}
	}
}
