package control

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"castgate/loadtest/internal/errtest"
)

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
	c := New("unix:"+path, "secret", 1)
	defer c.Close()
	answer = `{"matched":3,"queued":2,"dropped":1}`
	if r, err := c.Broadcast(t.Context(), []byte("x")); err != nil || r != (PushResult{Matched: 3, Queued: 2, Dropped: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
	answer = "no JSON"
	_, err = c.PushClient(t.Context(), "c", []byte("x"))
	errtest.Contains(t, err, "answer to /v1/push/raw", "no JSON")
	answer = `{"replies":[]}`
	errtest.Contains(t, c.Join(t.Context(), []string{"c"}, []string{"g"}), "0 replies to 1 commands")
	answer = strings.Repeat("x", maxAnswer+1)
	errtest.Contains(t, c.Ready(t.Context()), "exceeds 4 MiB")
	answer = `{"code":"unauthorized","detail":"no key"}`
	anonymous := New("unix:"+path, "", 1)
	defer anonymous.Close()
	_, err = anonymous.Broadcast(t.Context(), nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || refused.Body != "unauthorized: no key" {
		t.Errorf("%v", err)
	}
	errtest.Contains(t, New("127.0.0.1:1", "", 1).Ready(t.Context()), "connection refused")
}
