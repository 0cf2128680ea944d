package keyset

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// one is a set with a single Ed25519 key of that id.
func one(kid string) string {
	return `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"` + kid + `","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
}

// issuer publishes a set as a test says, and counts requests.
type issuer struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t *testing.T, answer http.HandlerFunc) *issuer {
	i := &issuer{}
	i.answer.Store(&answer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

// says answers 200 with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// clock stands still until a test advances it. Its timers fire when the test says
// so.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	waits chan time.Duration // each wait that has begun
	ring  chan time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) after(d time.Duration) <-chan time.Time {
	c.waits <- d
	return c.ring
}

// running is a Set whose Run is under way on a clock.
type running struct {
	*Set
	*clock
	t   *testing.T
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t *testing.T, url string) *running {
	t.Helper()
	r := &running{t: t, log: &lockedBuffer{}, clock: &clock{at: time.Unix(1_800_000_000, 0), waits: make(chan time.Duration, 100), ring: make(chan time.Time)}}
	r.Set = New(Config{URL: url, Refresh: time.Hour, Now: r.now, After: r.after, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// fetched waits for the end of a fetch, and returns the time until the next one.
func (r *running) fetched() time.Duration {
	r.t.Helper()
	select {
	case d := <-r.waits:
		return d
	case <-time.After(patience):
		r.t.Fatal("no fetch ended")
		return 0
	}
}

func (r *running) kids() string {
	var kids []string
	for _, k := range r.Keys() {
		kids = append(kids, k.ID())
	}
	return strings.Join(kids, " ")
}

// A set is fetched at once and then at regular intervals. Keys that are no longer
// published are dropped. A failed fetch keeps the previous keys.
func TestRotation(t *testing.T) {
	i := newIssuer(t, says(one("a")))
	s := start(t, i.URL)
	if next := s.fetched(); s.kids() != "a" || next != time.Hour {
		t.Errorf("keys %q, the next in %v", s.kids(), next)
	}
	for _, step := range []struct {
		answer http.HandlerFunc
		kids   string
		next   time.Duration
		failed uint64
	}{
		{says(one("b")), "b", time.Hour, 0},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "b", time.Second, 1},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = io.WriteString(w, one("x")) }, "b", 2 * time.Second, 2},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "b", 4 * time.Second, 3},
		{says("<html>sign in</html>"), "b", 8 * time.Second, 4},
		{says(""), "b", 16 * time.Second, 5},
		{says(`{"keys":[]}`), "b", 32 * time.Second, 6},
		{says("\xef\xbb\xbf" + one("x")), "b", time.Minute, 7},
		{says(one("x") + strings.Repeat(" ", maxBody)), "b", time.Minute, 8},
		{func(w http.ResponseWriter, _ *http.Request) { // truncated
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, one("x"))
		}, "b", time.Minute, 9},
		{func(w http.ResponseWriter, _ *http.Request) {
			for range maxBody { // endless
				if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<12)); err != nil {
					return
				}
			}
		}, "b", time.Minute, 10},
		{says(one("c")), "c", time.Hour, 10},
		{says(strings.Replace(one("d"), "[", `[{"kty":"RSA","kid":"weak","n":"AQAB","e":"AQAB"},`, 1)), "d", time.Hour, 10},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "d", time.Second, 11},
	} {
		i.answer.Store(&step.answer)
		s.ring <- time.Time{}
		next := s.fetched()
		if st := s.Stats(); s.kids() != step.kids || next != step.next || st.Failed != step.failed || st.Keys != 1 {
			t.Errorf("keys %q, want %q; the next in %v, want %v; %+v", s.kids(), step.kids, next, step.next, st)
		}
	}
	if st := s.Stats(); st.Fetched != 4 || !st.LastSuccess.Equal(s.now()) || i.asked.Load() != 15 {
		t.Errorf("%+v, asked %d times", st, i.asked.Load())
	}
	if log := s.log.String(); !strings.Contains(log, "status 500") || !strings.Contains(log, "left_out=1") {
		t.Error(log)
	}
}

// Tokens with unknown keys wait together for one fetch. However many there are, at
// most one fetch starts in AskGap.
func TestUnknownKeys(t *testing.T) {
	i := newIssuer(t, says(one("a")))
	s := start(t, i.URL)
	s.fetched()
	again := make(chan string, 2*MaxWaiters)
	flood := func() (waiting int) {
		for range 10_000 {
			if s.Await(func() { again <- s.kids() }) {
				waiting++
			}
		}
		return waiting
	}
	if n := flood(); n != 0 || i.asked.Load() != 1 {
		t.Errorf("%d wait for a fetch just after one; %d were made", n, i.asked.Load())
	}
	release := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, one("b"))
	})
	i.answer.Store(&slow)
	s.advance(AskGap)
	if n := flood(); n != MaxWaiters {
		t.Errorf("%d wait, want %d", n, MaxWaiters)
	}
	close(release)
	s.fetched()
	for range MaxWaiters {
		select {
		case kids := <-again:
			if kids != "b" {
				t.Fatalf("called with the keys %q", kids)
			}
		case <-time.After(patience):
			t.Fatal("a waiter was not called")
		}
	}
	if n := flood(); n != 0 || i.asked.Load() != 2 || len(again) != 0 {
		t.Errorf("%d wait, %d fetches, %d called twice", n, i.asked.Load(), len(again))
	}
	// Waiters are also called after a failure, and at the end.
	failing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	i.answer.Store(&failing)
	s.advance(AskGap)
	if !s.Await(func() { again <- s.kids() }) {
		t.Error("Await refused after AskGap")
	}
	if kids := <-again; kids != "b" {
		t.Errorf("after a failure: %q", kids)
	}
}

// Tokens may wait for the first fetch. When the server stops, a fetch from an
// issuer that hangs is abandoned and its waiters are called.
func TestEndWhileFetching(t *testing.T) {
	hold := make(chan struct{})
	i := newIssuer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	s := New(Config{URL: i.URL, Refresh: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	called, done := make(chan int, 2), make(chan struct{})
	if !s.Await(func() { called <- len(s.Keys()) }) {
		t.Error("Await refused before Run")
	}
	go func() { defer close(done); s.Run(ctx) }()
	if !s.Await(func() { called <- len(s.Keys()) }) {
		t.Error("Await refused before the first fetch ended")
	}
	cancel()
	<-done
	if a, b := <-called, <-called; a+b != 0 || s.Await(func() {}) {
		t.Error("a waiter was not called at the end")
	}
}

// A few redirects are followed, but never to a URL where anyone on the network path
// could answer.
func TestRedirects(t *testing.T) {
	secure := httptest.NewTLSServer(says(one("tls")))
	defer secure.Close()
	var to atomic.Pointer[string]
	i := newIssuer(t, nil)
	bounce := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			_, _ = io.WriteString(w, one("end"))
			return
		}
		http.Redirect(w, r, *to.Load(), http.StatusFound)
	})
	i.answer.Store(&bounce)
	for target, want := range map[string]string{
		"/end":                       "",
		"/again":                     "more than 3 redirects",
		"http://192.0.2.1/jwks.json": "redirects to a URL without TLS",
		"http://login.example/x":     "redirects to a URL without TLS",
		"file:///etc/passwd":         "redirects to a URL without TLS",
		secure.URL:                   "certificate", // not signed by a known authority
	} {
		to.Store(&target)
		s := New(Config{URL: i.URL, Refresh: time.Hour})
		_, err := s.fetch(context.Background())
		if want == "" && (err != nil || len(s.Keys()) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("to %s: %v", target, err)
		}
	}
	s := New(Config{URL: "https://login.example/jwks.json?key=tell-nobody", Refresh: time.Hour, Transport: transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			t.Error("asked without TLS")
		}
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://127.0.0.1/x"}}, Body: http.NoBody, Request: r}, nil
	})})
	if _, err := s.fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "without TLS") || strings.Contains(err.Error(), "tell-nobody") {
		t.Errorf("from https to http: %v", err)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRefreshIn(t *testing.T) {
	s := New(Config{URL: "https://a.example", Refresh: time.Hour})
	for control, want := range map[string]time.Duration{
		"": time.Hour, "max-age=600": 10 * time.Minute, "public, Max-Age=600, must-revalidate": 10 * time.Minute, `max-age="600"`: 10 * time.Minute,
		"max-age=0": time.Minute, "no-store": time.Hour, "max-age=86400": time.Hour, "max-age=-1": time.Hour, "max-age=99999999999999999999": time.Hour,
		"max-age": time.Hour, "s-maxage=1": time.Hour,
	} {
		if got := s.refreshIn(http.Header{"Cache-Control": {control}}); got != want {
			t.Errorf("%q: %v, want %v", control, got, want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{
		"https://login.example.com/.well-known/jwks.json", "https://10.0.0.1:8443/x?tenant=1", "http://localhost:8080/jwks", "http://127.0.0.2/", "http://[::1]:1/", "https://a",
	} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"http://login.example.com/jwks": "without TLS", "http://10.0.0.1/": "without TLS", "http://localhost.example/": "without TLS", "http://127.0.0.1.example/": "without TLS",
		"ftp://a/": "without TLS", "https://": "is not a URL", "https:///x": "is not a URL", "https://:443/": "is not a URL", "https:x": "is not a URL", "https://a b/": "is not a URL", "": "is not a URL",
		"https://user:pw@a/": "has a user", "https://a/#x": "fragment",
	} {
		if err := CheckURL(bad); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

// A set with more keys than tokens can be tried with is refused.
func TestTooManyKeys(t *testing.T) {
	var keys []string
	for n := range MaxKeys + 1 {
		keys = append(keys, strings.TrimSuffix(strings.TrimPrefix(one(fmt.Sprint(n)), `{"keys":[`), `]}`))
	}
	for n, good := range map[int]bool{MaxKeys: true, MaxKeys + 1: false} {
		i := newIssuer(t, says(`{"keys":[`+strings.Join(keys[:n], ",")+`]}`))
		s := New(Config{URL: i.URL, Refresh: time.Hour})
		if _, err := s.fetch(context.Background()); (err == nil) != good || good != (len(s.Keys()) == n) {
			t.Errorf("%d keys: %v, %d taken", n, err, len(s.Keys()))
		}
	}
}
