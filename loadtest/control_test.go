package loadtest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestControlBatches(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 3})
	c := controlOf(t, g, nil)
	if err := c.Bind(t.Context(), s.Bindings(2)); err != nil {
		t.Error(err)
	}
	if err := c.Join(t.Context(), s.ClientIDs(), []string{"a"}); err != nil {
		t.Error(err)
	}
	unknown := make([]Binding, 2*batchCommands+1)
	for i := range unknown {
		unknown[i] = Binding{ClientID: "client-0", UID: "u"}
	}
	if err := c.Bind(t.Context(), unknown); err != nil {
		t.Error(err)
	}
	unknown[2*batchCommands].ClientID = "nobody"
	wants(t, c.Bind(t.Context(), unknown), "bind", "404")
}

func TestBindings(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 3, First: 7})
	got := fmt.Sprint(s.Bindings(2))
	ids := s.ClientIDs()
	want := fmt.Sprintf("[{%s loadtest-7 [loadtest-1]} {%s loadtest-8 [loadtest-0]} {%s loadtest-9 [loadtest-1]}]", ids[0], ids[1], ids[2])
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestControlMetric(t *testing.T) {
	c := controlOf(t, newGateway(t, false), nil)
	for name, want := range map[string]float64{"go_goroutines": 12, "big": 1.5e6} {
		if v, err := c.Metric(t.Context(), name); err != nil || v != want {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	_, err := c.Metric(t.Context(), "nothing")
	wants(t, err, "/metrics has no nothing")
}

// The key, the unix socket, and the errors when something goes wrong.
func TestControlAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	answer := ""
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, answer)
	})}}
	server.Start()
	defer server.Close()
	c := NewControl("unix:"+path, "secret", 1)
	defer c.Close()
	answer = `{"matched":3,"queued":2,"dropped":1}`
	if r, err := c.Broadcast(t.Context(), []byte("x")); err != nil || r != (PushResult{Matched: 3, Queued: 2, Dropped: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
	answer = "no JSON"
	_, err = c.PushClient(t.Context(), "c", []byte("x"))
	wants(t, err, "answer to /v1/push/raw", "no JSON")
	answer = `{"replies":[]}`
	wants(t, c.Join(t.Context(), []string{"c"}, []string{"g"}), "0 replies to 1 commands")
	answer = strings.Repeat("x", maxAnswer+1)
	wants(t, c.Ready(t.Context()), "exceeds 4 MiB")
	answer = `{"code":"unauthorized","detail":"no key"}`
	anonymous := NewControl("unix:"+path, "", 1)
	defer anonymous.Close()
	_, err = anonymous.Broadcast(t.Context(), nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || refused.Body != "unauthorized: no key" {
		t.Errorf("%v", err)
	}
	wants(t, NewControl("127.0.0.1:1", "", 1).Ready(t.Context()), "connection refused")
}
