package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"castgate/server/events/internal/sign"
	"castgate/server/gateway"
)

func hookFor(t *testing.T, handler http.HandlerFunc, change func(*HookConfig)) *Hook {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := HookConfig{HookTarget: HookTarget{URL: server.URL}, Timeout: 10 * time.Second, Requests: 4}
	if change != nil {
		change(&c)
	}
	h, err := NewHook(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(t *testing.T, h *Hook, q *gateway.ConnectQuery) gateway.ConnectVerdict {
	t.Helper()
	done := make(chan gateway.ConnectVerdict, 1)
	if !h.Ask(q, func(v gateway.ConnectVerdict) { done <- v }) {
		return h.Busy()
	}
	select {
	case v := <-done:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is decided after 30 s")
		panic("")
	}
}

const hookHead = "GET /ws?token=t&a=%22 HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\ncookie: b=\"2\"\r\nX-Empty:\r\n\r\n"

// The backend is asked whole, signed, and what it answers is taken.
func TestHookAsks(t *testing.T) {
	asked := make(chan string, 1)
	h := hookFor(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- string(body)
		if !strings.HasPrefix(r.Header.Get(sign.HeaderSignature), "v1,") {
			t.Errorf("signature %q", r.Header.Get(sign.HeaderSignature))
		}
		fmt.Fprint(w, `{"uid":"ann","groups":["g"],"session": {"a" : 1},"headers":{"Set-Cookie":"s=1","X-A":"b"}}`)
	}, func(c *HookConfig) { c.Secrets = []string{testSecret} })
	v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead), Remote: netip.MustParseAddrPort("192.0.2.1:7"), UID: "tok", Groups: []string{"t"}})
	if v.Status != 0 || v.UID != "ann" || len(v.Groups) != 1 || string(v.Session) != `{"a":1}` || v.Headers != "Set-Cookie: s=1\r\nX-A: b\r\n" {
		t.Errorf("%+v", v)
	}
	var q struct {
		RemoteAddr string `json:"remote_addr"`
		Path       string
		Query      string
		UID        string
		Groups     []string
		Headers    map[string]string
	}
	text := <-asked
	if err := json.Unmarshal([]byte(text), &q); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if q.RemoteAddr != "192.0.2.1:7" || q.Path != "/ws" || q.Query != `token=t&a=%22` || q.UID != "tok" || q.Groups[0] != "t" || q.Headers["cookie"] != `a=1, b="2"` || len(q.Headers) != 3 {
		t.Errorf("%+v", q)
	}
}

// Answers that make no sense decide nothing: the client is let in or not as was
// set. A refusal is passed on.
func TestHookAnswers(t *testing.T) {
	long := strings.Repeat("x", gateway.MaxNameLen+1)
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprint("g", i)
	}
	groups, _ := json.Marshal(names)
	for answer, status := range map[string]int{
		``: 0, `{}`: 0, `{"uid":null,"groups":null,"session":null}`: 0,
		`{"uid":"` + long + `"}`: 503, `{"uid":""}`: 503, `{"groups":["` + long + `"]}`: 503, `{"groups":` + string(groups) + `}`: 503,
		`nonsense`: 503, `[1]`: 503, `{"session":[1]}`: 503, `{"session":{"a":"` + strings.Repeat("s", gateway.MaxSessionLen) + `"}}`: 503,
		`{"headers":{"Connection":"close"}}`: 503, `{"headers":{"Sec-WebSocket-Accept":"x"}}`: 503, `{"headers":{"a b":"x"}}`: 503,
		`{"headers":{"A":"x\r\nB: y"}}`: 503, strings.Repeat(" ", mostAnswer+1): 503,
	} {
		for _, open := range []bool{false, true} {
			h := hookFor(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }, func(c *HookConfig) { c.FailOpen = open })
			want := status
			if open {
				want = 0
			}
			if v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead)}); v.Status != want || v.UID != "" || v.Headers != "" {
				t.Errorf("%.60s, open %t: %+v", answer, open, v)
			}
		}
	}
	for status, want := range map[int]int{401: 401, 403: 403, 302: 503, 404: 503, 410: 503, 500: 503, 429: 503} {
		h := hookFor(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/")
			w.WriteHeader(status)
			fmt.Fprint(w, `{"why":"no"}`)
		}, nil)
		v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead)})
		if v.Status != want || want < 500 && (string(v.Body) != `{"why":"no"}` || v.ContentType != "application/json") {
			t.Errorf("%d: %+v", status, v)
		}
	}
}

// Another URL and other secrets are for the next question; a wrong one changes
// nothing.
func TestHookTarget(t *testing.T) {
	answer := func(uid string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"uid":"%s %t"}`, uid, r.Header.Get(sign.HeaderSignature) != "")
		}
	}
	h := hookFor(t, answer("first"), nil)
	second := httptest.NewServer(answer("second"))
	t.Cleanup(second.Close)
	if v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead)}); v.UID != "first false" {
		t.Errorf("%+v", v)
	}
	for target, want := range map[*HookTarget]string{
		{URL: second.URL, Secrets: []string{testSecret}}: "",
		{URL: "ftp://x"}: "connect-url: it is neither",
		{URL: second.URL, Secrets: []string{"geheim"}}: "events-secret: secret 1 does not",
	} {
		switch err := h.SetTarget(*target); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim")):
			t.Errorf("%v, want %q", err, want)
		}
	}
	if v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead)}); v.UID != "second true" {
		t.Errorf("%+v", v)
	}
}

// A storm while the backend says nothing: so many are asked about at once, so many
// wait, and the rest is decided at once. What waits is decided when the time is over.
func TestHookStorm(t *testing.T) {
	silent := &silentBackend{over: make(chan struct{})}
	h, err := NewHook(HookConfig{HookTarget: HookTarget{URL: "http://backend/"}, Timeout: time.Minute, Requests: 4, Transport: silent})
	if err != nil {
		t.Fatal(err)
	}
	const storm = 19_000
	decided := make(chan int, storm)
	busy := 0
	for range storm {
		if !h.Ask(&gateway.ConnectQuery{Head: []byte(hookHead)}, func(v gateway.ConnectVerdict) { decided <- v.Status }) {
			busy++
		}
	}
	if most := storm - mostAsked; busy > most || busy < most-4 { // 4 may be on their way already
		t.Errorf("%d of %d were decided at once, want %d to %d", busy, storm, most-4, most)
	}
	close(silent.over)
	for range storm - busy {
		select {
		case status := <-decided:
			if status != 503 {
				t.Fatalf("status %d", status)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("some are not decided after 30 s")
		}
	}
	if most := silent.most.Load(); most != 4 {
		t.Errorf("%d were asked about at once, want 4", most)
	}
}

// silentBackend is asked and never answers.
type silentBackend struct {
	most, now atomic.Int64
	over      chan struct{} // closed: the time is over
}

// RoundTrip implements http.RoundTripper.
func (s *silentBackend) RoundTrip(r *http.Request) (*http.Response, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-s.over:
	case <-r.Context().Done():
	}
	return nil, context.DeadlineExceeded
}
