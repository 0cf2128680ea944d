package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pageclient "castgate/clients/js"
	"castgate/examples/page"
)

// TestSharedPage: all examples have the same page.
func TestSharedPage(t *testing.T) {
	for _, name := range []string{"page.html", "page.css", "page.js", "castgate.js"} {
		want := pageclient.Script
		if name != "castgate.js" {
			var err error
			if want, err = page.Files.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
		for _, example := range []string{"php", "gatewayworker"} {
			link := filepath.Join("..", example, name)
			if to, err := os.Readlink(link); err != nil || to != "../page/"+name {
				t.Errorf("%s links to %q: %v", link, to, err)
			}
			if got, err := os.ReadFile(link); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs from the embedded page: %v", link, err)
			}
		}
	}
}

// fakeGateway answers the control API and keeps the last request.
type fakeGateway struct {
	path string
	body map[string]any
}

func (f *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.path, f.body = r.URL.Path, nil
	json.NewDecoder(r.Body).Decode(&f.body)
	if f.body["client_id"] == "gone" {
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte(`{"status":404,"code":"unknown_client","detail":"no such client"}`))
		return
	}
	w.Write([]byte(`{"matched":3}`))
}

func post(h http.Handler, path, body string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for _, c := range cookies {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func TestBackend(t *testing.T) {
	fake := &fakeGateway{}
	gateway := httptest.NewServer(fake)
	defer gateway.Close()
	h := newBackend(newCastgate(gateway.Listener.Addr().String(), ""), "")

	if rec := post(h, "/send_message", `{"target":"all","text":"x"}`); rec.Code != http.StatusUnauthorized {
		t.Errorf("sending without a login: %d, want 401", rec.Code)
	}
	if rec := post(h, "/bind", `{"client_id":"gone","name":"ann","group":"g"}`); rec.Code != http.StatusNotFound || !strings.Contains(rec.Body.String(), "has been closed") {
		t.Errorf("binding a client that is gone: %d %s", rec.Code, rec.Body)
	}
	rec := post(h, "/bind", `{"client_id":"c","name":"ann","group":"g"}`)
	if rec.Code != http.StatusOK || fake.path != "/v1/bind" || fake.body["uid"] != "ann" {
		t.Fatalf("bind: %d %s, gateway saw %s %v", rec.Code, rec.Body, fake.path, fake.body)
	}
	cookies := rec.Result().Cookies()
	rec = post(h, "/send_message", `{"target":"group","to":"g","text":"<hi>","exclude_me":true}`, cookies...)
	want := `{"exclude":{"uids":["ann"]},"json":{"from":"ann","text":"\u003chi\u003e","to":"group g","type":"message"},"to":{"groups":["g"]}}`
	if got, _ := json.Marshal(fake.body); rec.Code != http.StatusOK || string(got) != want {
		t.Errorf("send: %d %s, gateway saw\n%s\nwant\n%s", rec.Code, rec.Body, got, want)
	}
	cookies[0].Value = strings.Replace(cookies[0].Value, ".", "x.", 1)
	if rec := post(h, "/send_message", `{"target":"all","text":"x"}`, cookies...); rec.Code != http.StatusUnauthorized {
		t.Errorf("sending with a forged login: %d, want 401", rec.Code)
	}
}

func TestPageEscapes(t *testing.T) {
	h := newBackend(newCastgate("127.0.0.1:1", ""), `ws://x/"><script>`)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if body := rec.Body.String(); strings.Contains(body, `"><script>`) || !strings.Contains(body, `id="client-id"`) {
		t.Errorf("page is not escaped or not whole:\n%s", body)
	}
}
