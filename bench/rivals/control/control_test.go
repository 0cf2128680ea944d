package control

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	api := httptest.NewServer(Handler(func(payload []byte) (Reply, error) {
		if string(payload) == "bad" {
			return Reply{}, errors.New("it is bad")
		}
		return Reply{Matched: len(payload), Queued: 2, Dropped: 1}, nil
	}))
	defer api.Close()
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/readyz", "", 200, ""},
		{"POST", "/v1/push/raw?all=1", "four", 200, `{"matched":4,"queued":2,"dropped":1}`},
		{"POST", "/v1/push/raw?all=1", "bad", 500, "it is bad"},
		{"POST", "/v1/push/raw?all=1", strings.Repeat("x", maxBody+1), 413, "too large"},
		{"POST", "/v1/push/raw?uid=u", "four", 400, "all=1"},
		{"GET", "/v1/push/raw?all=1", "", 405, ""},
		{"GET", "/", "", 404, ""},
	} {
		req, err := http.NewRequest(c.method, api.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s: %d %q, %v; want %d, %q", c.method, c.path, res.StatusCode, body, err, c.status, c.want)
		}
	}
}

func TestInitMessages(t *testing.T) {
	a, b := string(InitMessage()), string(InitMessage())
	if a == b || len(a) != len(b) || !strings.HasPrefix(a, `{"type":"init","client_id":"`) {
		t.Errorf("%s and %s", a, b)
	}
}

func TestPortsInUse(t *testing.T) {
	api := httptest.NewServer(http.NotFoundHandler())
	defer api.Close()
	used := api.Listener.Addr().String()
	clients := func(listen string) error { return pair{}.serve(listen, http.NotFoundHandler()) }
	for _, ports := range [][2]string{{used, "127.0.0.1:0"}, {"127.0.0.1:0", used}} {
		if err := run(ports[0], ports[1], clients, nil); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%v", err)
		}
	}
}
