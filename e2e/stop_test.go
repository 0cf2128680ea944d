package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// TestStopDuringBroadcast: with SIGTERM during a flood of pushes, pushes to the
// remaining clients continue. Every client gets all of them in order until its
// close with 1001, the clients receive as many messages as the answers say, and the
// exit status is 0.
func TestStopDuringBroadcast(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--drain-timeout", "10s", "--send-queue", "64MiB", "--drain-rate", "100")
	clients := crowd(t, g, 100)
	padding := strings.Repeat("x", 1000)
	var answered, written atomic.Int64
	var matched atomic.Int64 // by the newest push
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			status, answer, err := g.TryControl("POST", "/v1/push", M{"to": wstest.All(), "text": label(padding, i), "wait": "written"})
			if err != nil || status != http.StatusOK {
				return
			}
			written.Add(int64(number(answer["written"])))
			matched.Store(int64(number(answer["matched"])))
			answered.Add(1)
		}
	}()
	g.Await(func() string {
		if answered.Load() < 100 {
			return "fewer than 100 pushes were answered"
		}
		return ""
	})
	before := answered.Load()
	g.Expected()
	g.Signal(syscall.SIGTERM)
	g.Await(func() string {
		if n := matched.Load(); n == 0 || n == int64(len(clients)) {
			return "no push reached only some of the clients"
		}
		return ""
	})
	if code := g.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	<-stopped
	received := 0
	for n, c := range clients {
		if code, reason := c.Ended(); code != 1001 {
			t.Fatalf("client %d: closed with %d %q, want 1001", n, code, reason)
		}
		log := c.Messages()
		if received += len(log); len(log) < int(before) {
			t.Fatalf("client %d: %d messages, want %d or more", n, len(log), before)
		}
		for i, m := range log {
			if m.Data != label(padding, i) {
				t.Fatalf("client %d: message %d is %.20q..., out of order", n, i, m.Data[len(padding):])
			}
		}
	}
	// The answer to the last push may be lost when the control port closes.
	if n := int(written.Load()); received < n || received > n+len(clients) {
		t.Errorf("%d messages received, %d answered as written", received, n)
	}
}

// stuck connects a client that reads nothing and pushes to it until bytes wait in
// the gateway.
func stuck(t *testing.T, g *wstest.Gateway) *wstest.Raw {
	t.Helper()
	r := g.DialRaw(t)
	r.SetReadBuffer(4096)
	r.Upgrade()
	for range 16 {
		g.Push(wstest.All(), strings.Repeat("x", 500_000))
	}
	return r
}

// TestStopWithStuckClient: a client that reads nothing delays a stop no longer than
// the drain timeout.
func TestStopWithStuckClient(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--drain-timeout", "500ms", "--send-queue", "64MiB")
	stuck(t, g)
	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestSecondSignal ends a drain that would last minutes.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--drain-timeout", "10m", "--send-queue", "64MiB")
	stuck(t, g)
	g.Expected()
	g.Signal(syscall.SIGTERM)
	g.Await(func() string {
		if _, _, err := g.TryDial(t, wstest.DialOptions{}); err == nil {
			return "the gateway still accepts clients after SIGTERM"
		}
		return ""
	})
	if status, _ := g.Control("POST", "/v1/push", M{"to": wstest.All(), "text": "late"}); status != http.StatusOK {
		t.Errorf("a push while draining: status %d, want 200", status)
	}
	ready, err := g.Request("GET", "/readyz", nil, nil)
	if err != nil {
		t.Fatalf("the control port does not answer while draining: %v", err)
	}
	ready.Body.Close()
	if ready.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz while draining: status %d, want 503", ready.StatusCode)
	}
	select {
	case <-g.Done():
		t.Fatal("the gateway ended without its drain")
	default:
	}
	time.Sleep(1100 * time.Millisecond) // a second signal within a second counts as the first
	g.Signal(syscall.SIGTERM)
	g.Exited(t, wstest.Patience)
}

// TestInterrupt: SIGINT does the same as SIGTERM.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	g.Expected()
	g.Signal(syscall.SIGINT)
	if code := g.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if code, _ := c.Ended(); code != 1001 {
		t.Errorf("closed with %d, want 1001", code)
	}
}
