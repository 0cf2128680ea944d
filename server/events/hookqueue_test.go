package events

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"castgate/server/gateway"
)

// Of clients that wait for longer than the time of an answer nobody is asked. The log
// says so once, and how many they were when nobody waits any more.
func TestHookSaysWhoWaitedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent, said := &silentBackend{over: make(chan struct{})}, &lines{}
		h, err := NewHook(HookConfig{
			HookTarget: HookTarget{URL: "http://backend/?key=hidden"}, Timeout: 2 * time.Second, Requests: 1, Transport: silent, FailOpen: true,
			Log: slog.New(slog.NewTextHandler(said, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for episode := range 2 {
			decided := make(chan gateway.ConnectVerdict, 20)
			for range cap(decided) {
				if !h.Ask(&gateway.ConnectQuery{Head: []byte(hookHead)}, func(v gateway.ConnectVerdict) { decided <- v }) {
					t.Fatal("20 are too many")
				}
				time.Sleep(time.Millisecond)
			}
			for range cap(decided) {
				if v := <-decided; v.Status != 0 {
					t.Errorf("%+v", v)
				}
			}
			synctest.Wait()
			// The first is not answered, and the second has waited for less than 2 s then.
			text := said.String()
			for line, want := range map[string]int{"waited for longer than connect-timeout": episode + 1, "not_asked=18": episode + 1, "not_asked": episode + 1, "hidden": 0} {
				if got := strings.Count(text, line); got != want {
					t.Errorf("%d times %q, want %d:\n%s", got, line, want, text)
				}
			}
		}
	})
}

// The same where too many wait.
func TestHookSaysThatItIsBusy(t *testing.T) {
	said := &lines{}
	h, err := NewHook(HookConfig{HookTarget: HookTarget{URL: "http://backend/"}, Timeout: time.Minute, Requests: 1, Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if v := h.Busy(); v.Status != 503 {
			t.Errorf("%+v", v)
		}
	}
	h.caughtUp()
	h.caughtUp()
	text := said.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, "too many clients wait") || !strings.Contains(text, "not_asked=3") {
		t.Errorf("%s", text)
	}
}

// Nobody is asked about a client that has gone while it waited.
func TestHookLeavesOutWhoHasGone(t *testing.T) {
	over, asked := make(chan struct{}), make(chan struct{}, 3)
	h := hookFor(t, func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}, func(c *HookConfig) { c.Requests = 1 })
	gone := make([]atomic.Bool, 3)
	decided := make(chan gateway.ConnectVerdict, len(gone))
	for i := range gone {
		if !h.Ask(&gateway.ConnectQuery{Head: []byte(hookHead), Gone: &gone[i]}, func(v gateway.ConnectVerdict) { decided <- v }) {
			t.Fatal("3 are too many")
		}
	}
	<-asked
	gone[1].Store(true)
	close(over)
	for range gone {
		<-decided
	}
	if n, left := 1+len(asked), h.results[hookGone].Load(); n != 2 || left != 1 || h.results[hookAccepted].Load() != 2 {
		t.Errorf("asked about %d, %d had gone, want 2 and 1", n, left)
	}
}
