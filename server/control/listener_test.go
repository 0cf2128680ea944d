package control

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/callers"
)

// TestEvictedRequest: a request on a connection that was closed meanwhile is
// not executed.
func TestEvictedRequest(t *testing.T) {
	p := start(t, nil)
	p.dial()
	for limit := time.Now().Add(patience); p.open() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the connection was not accepted")
		}
	}
	gone := p.listener.Conns()[0]
	gone.Become(callers.Evicted)
	for _, state := range []fasthttp.ConnState{fasthttp.StateActive, fasthttp.StateIdle, fasthttp.StateActive} {
		trackState(gone, state)
	}
	ctx := request(gone, "POST", "/v1/push", `{"to":{"all":true},"text":"x"}`)
	p.handle(ctx)
	if got := p.fake.took(); got != "" || !ctx.Response.ConnectionClose() {
		t.Errorf("the gateway was asked %q", got)
	}
	// Who closes the connection may be slower than the answer.
	if status, body := ctx.Response.StatusCode(), string(ctx.Response.Body()); status != 503 || !strings.Contains(body, "not executed") {
		t.Errorf("the caller is answered %d %q", status, body)
	}
}

// The port answers over a unix socket, and leaves no file.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	p := start(t, func(c *Config) { c.Listen = "unix:" + path })
	if status, body, _ := p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	other, err := New(p.fake, p.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "in use") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a second gateway: %v", err)
	}
	p.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	p := start(t, nil)
	c := p.config
	c.Listen = p.Addr().String()
	other, err := New(p.fake, c)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("cannot listen for the control API on %s: address already in use", c.Listen)
	if err := other.Listen(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if other.Addr() != nil {
		t.Errorf("address %v", other.Addr())
	}
	if err := other.Serve(); err == nil {
		t.Error("Serve without Listen")
	}
}
