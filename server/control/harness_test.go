package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// patience is how long a test waits for something that must happen: a slow
// machine must not fail it.
const patience = time.Minute

// settle is listen.Settle in tests: a round trip on loopback takes microseconds.
const settle = 5 * time.Millisecond

// fake is a gateway of two clients, c-1 (bound to ann) and c-2. It records its
// calls as text, since arguments live only as long as the call.
type fake struct {
	gateway.Gateway // methods that the control port does not use
	mu              sync.Mutex
	calls           []string
	err             error // what every verb returns if set
	rows            int   // rows of a listing
	limit           []int // limits that listings were asked with
	// waiting gets a message when a Push waits; it then waits for its context.
	waiting chan struct{}
	broken  bool // panic in Stats and in the second page of listings
}

func (f *fake) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

// took returns the calls since it was last called.
func (f *fake) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.calls, "; ")
	f.calls = nil
	return s
}

func known(id string) error {
	if id != "c-1" && id != "c-2" {
		return &gateway.Error{Code: gateway.CodeUnknownClient, Detail: "no such client"}
	}
	return nil
}

func (f *fake) Bind(_ context.Context, b gateway.Bind) (gateway.BindResult, error) {
	if err := f.note("bind %q %q %q %v", b.ClientID, b.UID, b.Groups, b.KickOld); err != nil {
		return gateway.BindResult{}, err
	}
	return gateway.BindResult{PreviousUID: "", Kicked: 1}, known(b.ClientID)
}

func (f *fake) Unbind(_ context.Context, id string) (gateway.BindResult, error) {
	_ = f.note("unbind %q", id)
	return gateway.BindResult{PreviousUID: "a\"nn"}, known(id)
}

func (f *fake) UnbindUIDs(_ context.Context, uids []string) (int, error) {
	return len(uids), f.note("unbind uids %q", uids)
}

func (f *fake) Join(_ context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{Changed: 2, UnknownClientIDs: []string{"gone"}}, f.note("join %q %q %q", m.ClientIDs, m.UIDs, m.Groups)
}

func (f *fake) Leave(_ context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{Changed: 2}, f.note("leave %q %q %q", m.ClientIDs, m.UIDs, m.Groups)
}

func (f *fake) Ungroup(_ context.Context, groups []string) (int, error) {
	return 3, f.note("ungroup %q", groups)
}

func (f *fake) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	t := &p.To
	err := f.note("push %q %q %q %v but %q %q: %q binary=%v wait=%v", t.ClientIDs, t.UIDs, t.Groups, t.All,
		p.ExcludeClientIDs, p.ExcludeUIDs, p.Payload, p.Binary, p.Wait)
	if err == nil && p.Wait && f.waiting != nil {
		f.waiting <- struct{}{}
		<-ctx.Done()
		return gateway.PushResult{Matched: 3, Queued: 1, Written: 2}, nil
	}
	if p.Wait {
		return gateway.PushResult{Matched: 3, Dropped: 1, Written: 2}, err
	}
	return gateway.PushResult{Matched: 3, Queued: 3}, err
}

func (f *fake) Kick(_ context.Context, k gateway.Kick) (int, error) {
	t := &k.To
	return 4, f.note("kick %q %q %q %v but %q %q: %d %q %q", t.ClientIDs, t.UIDs, t.Groups, t.All, k.ExcludeClientIDs, k.ExcludeUIDs, k.Code, k.Reason, k.Text)
}

func (f *fake) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	r := gateway.OnlineResult{Clients: make([]bool, len(q.ClientIDs)), UIDs: make([]int, len(q.UIDs))}
	for i, id := range q.ClientIDs {
		r.Clients[i] = known(id) == nil
	}
	for i := range q.UIDs {
		r.UIDs[i] = i + 1
	}
	return r, f.note("online %q %q", q.ClientIDs, q.UIDs)
}

func (f *fake) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	r := gateway.CountsResult{Groups: make([]int, len(q.Groups)), UIDs: make([]int, len(q.UIDs))}
	return r, f.note("counts %q %q", q.Groups, q.UIDs)
}

func (f *fake) Stats(context.Context) (gateway.Stats, error) {
	if f.broken {
		panic("broken for the test")
	}
	return gateway.Stats{
		Connections: 2, StartedAt: connected, Handshakes: map[string]uint64{"ok": 2, "bad": 1},
		Certificates: []gateway.Certificate{{Name: "a.example", NotAfter: connected}}, PushesUnmatched: 2,
		Matched: 10, Written: 6, Dropped: map[string]uint64{"slow": 3}, Queued: 1, LoopLag: 1500 * time.Microsecond,
		CompressedClients: 1, Compressed: 4, CompressedLonger: 5, CompressedBefore: 600, CompressedAfter: 70,
		Inflated: 8, InflatedBefore: 90, InflatedAfter: 1000, InflateErrors: map[string]uint64{"too_big": 11},
	}, nil
}

var connected = time.Date(2026, 11, 23, 21, 0, 0, 123456789, time.FixedZone("", 3600))

func (f *fake) Client(_ context.Context, id string) (gateway.ClientInfo, error) {
	_ = f.note("client %q", id)
	return gateway.ClientInfo{ClientID: id, UID: "ann", Groups: []string{"red"}, Session: json.RawMessage(`{"a":1}`),
		RemoteAddr: "127.0.0.1:1", ConnectedAt: connected, QueuedBytes: 5, QueuedFrames: 1}, known(id)
}

// page returns the rows after the cursor.
func (f *fake) page(q gateway.List) (from, to int, next string, err error) {
	f.mu.Lock()
	f.limit = append(f.limit, q.Limit)
	f.mu.Unlock()
	if q.Cursor != "" {
		if _, err := fmt.Sscanf(q.Cursor, "at-%d", &from); err != nil {
			return 0, 0, "", &gateway.Error{Code: gateway.CodeInvalidCursor, Detail: "no cursor of this listing"}
		}
		if f.broken {
			panic("broken for the test")
		}
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	if to = min(from+q.Limit, f.rows); to < f.rows {
		next = fmt.Sprintf("at-%d", to)
	}
	return from, to, next, f.note("list %q %q", q.UID, q.Group)
}

func (f *fake) Clients(_ context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	from, to, next, err := f.page(q)
	page := gateway.Page[gateway.ClientInfo]{Next: next}
	for i := from; i < to; i++ {
		page.Rows = append(page.Rows, gateway.ClientInfo{ClientID: fmt.Sprint("c-", i), RemoteAddr: "[::1]:2", ConnectedAt: connected})
	}
	return page, err
}

func (f *fake) UIDs(_ context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	from, to, next, err := f.page(q)
	page := gateway.Page[gateway.NameCount]{Next: next}
	for i := from; i < to; i++ {
		page.Rows = append(page.Rows, gateway.NameCount{Name: fmt.Sprint("u\n", i), Clients: 1})
	}
	return page, err
}

func (f *fake) Groups(ctx context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	return f.UIDs(ctx, q)
}

func (f *fake) PutSession(_ context.Context, id string, session json.RawMessage) (json.RawMessage, error) {
	if err := f.note("put_session %q %s", id, session); err != nil {
		return nil, err
	}
	return bytes.Clone(session), known(id)
}

func (f *fake) PatchSession(_ context.Context, id string, patch json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(`{"merged":true}`), f.note("patch_session %q %s", id, patch)
}

// logText is a log that may be read while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// port is a control port under test, on a free port of the loopback.
type port struct {
	*Server
	t    testing.TB
	fake *fake
	log  *logText
	http http.Client
	base string
	stop func() // Shutdown; its error fails the test
}

// open is how many connections there are.
func (p *port) open() int { return len(p.listener.Conns()) }

// start runs a control port; change may change its configuration.
func start(t testing.TB, change func(*Config)) *port {
	t.Helper()
	f := &fake{rows: 3}
	p := startWith(t, f, change)
	p.fake = f
	return p
}

// startWith is start with a gateway of the test's own.
func startWith(t testing.TB, gw gateway.Gateway, change func(*Config)) *port {
	t.Helper()
	c := Defaults()
	c.Listen = "127.0.0.1:0"
	c.ReadTimeout, c.RequestTimeout = time.Minute, time.Minute // a busy machine is slow
	log := &logText{}
	c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Reload = func() (Reloaded, error) {
		return Reloaded{Changed: []string{"log-level"}, NeedsRestart: []string{"listen"}}, nil
	}
	c.Feed, c.Historian = &fakeFeed{}, fakeHistorian{}
	if change != nil {
		change(&c)
	}
	s, err := New(gw, c)
	if err != nil {
		t.Fatal(err)
	}
	s.settle = settle
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	p := &port{Server: s, t: t, log: log, base: "http://" + s.Addr().String()}
	p.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, s.Addr().Network(), s.Addr().String())
	}}
	if s.Addr().Network() == "unix" {
		p.base = "http://unix"
	}
	p.stop = sync.OnceFunc(func() {
		p.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// ask makes a request; header lines are "Name: value".
func (p *port) ask(method, path, body string, header ...string) (status int, answer string, h http.Header) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, line := range header {
		if name, value, ok := strings.Cut(line, ": "); ok {
			req.Header.Set(name, value)
		}
	}
	resp, err := p.http.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(data), resp.Header
}

// refuses requires a problem of this status and code, and returns its detail.
func (p *port) refuses(status int, code, method, path, body string, header ...string) string {
	p.t.Helper()
	got, answer, h := p.ask(method, path, body, header...)
	return requireProblem(p.t, fmt.Sprintf("%s %s %.80s", method, path, body), got, answer, h.Get("Content-Type"), status, code)
}

func requireProblem(t testing.TB, what string, got int, answer, contentType string, status int, code string) string {
	t.Helper()
	var problem struct {
		Type, Title, Code, Detail string
		Status                    int
	}
	err := json.Unmarshal([]byte(answer), &problem)
	if err != nil || got != status || problem.Status != status || problem.Code != code || contentType != problemType ||
		problem.Type != "about:blank" || problem.Title != http.StatusText(status) || problem.Detail == "" {
		t.Errorf("%s: %d %s %s (%v), want %d %s", what, got, contentType, answer, err, status, code)
	}
	return problem.Detail
}

// dial opens a connection of the test's own.
func (p *port) dial() (net.Conn, *bufio.Reader) {
	p.t.Helper()
	c, err := net.Dial(p.Addr().Network(), p.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c, bufio.NewReader(c)
}

// read reads one answer.
func read(t testing.TB, in *bufio.Reader) (status int, body string, h http.Header) {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}
