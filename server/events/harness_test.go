package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// event is what a test reads of an event.
type event struct {
	ID, Type, Source, Subject, Instance, Time string
	SpecVersion                               string
	DataContentType                           string
	Sequence                                  int
	Data                                      struct {
		ClientID    string `json:"client_id"`
		UID         *string
		PreviousUID *string `json:"previous_uid"`
		Groups      []string
		Session     json.RawMessage
		RemoteAddr  string `json:"remote_addr"`
		Path        *string
		Query       *string
		UserAgent   *string `json:"user_agent"`
		Reason      string
		Code        int
		Count       int
		BytesIn     *int  `json:"bytes_in"`
		LastOfUID   *bool `json:"last_of_uid"`
		Binary      bool
		Text        *string
		Base64      *string
	}
}

// backend receives events.
type backend struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	answer   func(w http.ResponseWriter, r *http.Request, body []byte, events []event) bool // true: it has answered
	requests int
	headers  []http.Header
	got      []event
	byID     map[string]int
	came     chan struct{}
	hangUp   func() // ends all connections
}

func newBackend(t *testing.T) *backend {
	b := &backend{t: t, byID: map[string]int{}, came: make(chan struct{}, 1)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.hangUp = server.CloseClientConnections
	b.url = server.URL + "/events?key=hidden"
	return b
}

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	var events []event
	if r.Header.Get("Content-Type") == singleType {
		events = make([]event, 1)
		err = json.Unmarshal(body, &events[0])
	} else {
		err = json.Unmarshal(body, &events)
	}
	if err != nil {
		b.t.Errorf("%v in %s", err, body)
	}
	b.mu.Lock()
	b.requests++
	answer := b.answer
	b.mu.Unlock()
	if answer != nil && answer(w, r, body, events) {
		return
	}
	b.mu.Lock()
	b.headers = append(b.headers, r.Header)
	for _, e := range events {
		if b.byID[e.ID]++; b.byID[e.ID] == 1 {
			b.got = append(b.got, e)
		}
	}
	b.mu.Unlock()
	select {
	case b.came <- struct{}{}:
	default:
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *backend) answers(f func(w http.ResponseWriter, r *http.Request, body []byte, events []event) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

// await returns all events once there are n different ones.
func (b *backend) await(n int) []event {
	b.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		got := append([]event(nil), b.got...)
		b.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-b.came:
		case <-deadline:
			b.t.Fatalf("%d events after 30 s, want %d", len(got), n)
		}
	}
}

func (b *backend) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests
}

// until waits for something that must come.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

func config(url ...string) Config {
	c := Defaults()
	c.URLs = url
	c.Linger = 0
	c.RetryMax = 50 * time.Millisecond
	c.Log = slog.New(slog.DiscardHandler)
	return c
}

func start(t *testing.T, c Config) *Events {
	t.Helper()
	return startFor(t, c, nil)
}

// startFor is start with somebody who is told which clients may be read again.
func startFor(t *testing.T, c Config, clients *resumed) *Events {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if clients != nil {
		e.Attach(clients)
	}
	e.Start()
	t.Cleanup(func() { end(t, e) })
	return e
}

// end stops a queue at once, if nobody has.
func end(t *testing.T, e *Events) {
	t.Helper()
	if e.closed.Load() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// crashed is a copy of a queue's directory as a process that is killed now leaves
// it.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	for {
		to := filepath.Join(t.TempDir(), "events")
		err := os.CopyFS(to, os.DirFS(dir))
		if err == nil {
			return to
		}
		if !errors.Is(err, fs.ErrNotExist) { // a segment was dropped meanwhile
			t.Fatal(err)
		}
	}
}

// client makes the client with a number.
func client(n int) *gateway.Watched {
	return &gateway.Watched{
		Key: uint64(n), ID: fmt.Sprintf("c%d", n), Remote: netip.MustParseAddrPort("192.0.2.1:4000"),
		ConnectedAt: time.Unix(1_800_000_000, 0),
	}
}

// life says what a client does from its connect to its end: four events.
func life(e *Events, n int) {
	c := client(n)
	e.Connected(c, []byte("GET /ws?room=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
	c.UID = fmt.Sprintf("u%d", n)
	e.Bound(c, "")
	was := c.UID
	c.UID = ""
	e.Unbound(c, was)
	e.Disconnected(c, &gateway.End{Reason: "peer_closed", Code: 1000})
}

// inOrder checks that the events of each client came in order, without holes.
func inOrder(t *testing.T, events []event) {
	t.Helper()
	last := map[string]int{}
	for _, e := range events {
		if e.Sequence == 0 {
			continue
		}
		who := e.Instance + e.Subject
		if e.Sequence != last[who]+1 {
			t.Errorf("%s: %s has sequence %d after %d", e.Subject, e.Type, e.Sequence, last[who])
		}
		last[who] = e.Sequence
	}
}
