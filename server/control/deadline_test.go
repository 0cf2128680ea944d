package control

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"castgate/server/gateway"
)

// stuck is a gateway whose queries end only with their context.
type stuck struct {
	*fake
	from   string        // listings get stuck at this cursor
	unbind chan struct{} // if set, unbind ends when it is closed
	ended  chan struct{} // gets a message for each query that has ended
}

func (s *stuck) wait(ctx context.Context) error {
	<-ctx.Done()
	s.ended <- struct{}{}
	return &gateway.Error{Code: gateway.CodeDeadline, Detail: "took too long"}
}

func (s *stuck) Client(ctx context.Context, _ string) (gateway.ClientInfo, error) {
	return gateway.ClientInfo{}, s.wait(ctx)
}

func (s *stuck) Clients(ctx context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	if q.Cursor == s.from {
		return gateway.Page[gateway.ClientInfo]{}, s.wait(ctx)
	}
	return s.fake.Clients(ctx, q)
}

func (s *stuck) Unbind(ctx context.Context, id string) (gateway.BindResult, error) {
	<-s.unbind
	return s.fake.Unbind(ctx, id)
}

func startStuck(t *testing.T, from string) (*port, *stuck) {
	s := &stuck{fake: &fake{rows: 2500}, from: from, ended: make(chan struct{}, 10), unbind: make(chan struct{})}
	return startWith(t, s, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond }), s
}

// verifyEnded requires that no goroutine is left except fasthttp's own clock
// goroutines.
func verifyEnded(t *testing.T, was goleak.Option) {
	t.Helper()
	goleak.VerifyNone(t, was,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// TestDeadline: a query that takes too long is answered 503, and its work has
// ended by then.
func TestDeadline(t *testing.T) {
	was := goleak.IgnoreCurrent()
	p, s := startStuck(t, "")
	for _, path := range []string{"/v1/clients/c-1", "/v1/clients", "/v1/clients?group=g&limit=5"} {
		for _, accept := range []string{jsonType, ndjsonType} {
			p.refuses(503, "deadline", "GET", path, "", "Accept: "+accept)
			select {
			case <-s.ended:
			default:
				t.Errorf("%s is still being worked on", path)
			}
		}
	}
	if _, _, h := p.ask("GET", "/v1/clients", ""); h.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p.stop()
	verifyEnded(t, was)
}

// TestStreamDeadline: a stream whose next page takes too long is visibly cut
// off, and nothing of it is left.
func TestStreamDeadline(t *testing.T) {
	was := goleak.IgnoreCurrent()
	p, s := startStuck(t, "at-1000")
	resp, err := p.http.Do(p.streamRequest())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err == nil || strings.Count(string(text), "\n") != 1000 {
		t.Errorf("%d lines, then %v", strings.Count(string(text), "\n"), err)
	}
	<-s.ended
	for limit := time.Now().Add(patience); p.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the connection is still open")
		}
	}
	p.stop()
	verifyEnded(t, was)
}

// lost is a gateway that never finds all the clients of a request.
type lost struct{ *stuck }

func (s *lost) Push(ctx context.Context, _ gateway.Push) (gateway.PushResult, error) {
	return gateway.PushResult{}, s.wait(ctx)
}

func (s *lost) Kick(ctx context.Context, _ gateway.Kick) (int, error) { return 0, s.wait(ctx) }

func (s *lost) Join(ctx context.Context, _ gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{}, s.wait(ctx)
}

func (s *lost) Leave(ctx context.Context, _ gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{}, s.wait(ctx)
}

func (s *lost) Ungroup(ctx context.Context, _ []string) (int, error) { return 0, s.wait(ctx) }

// TestManyNamesDeadline: a request with too many names to process is answered
// 503 and ends.
func TestManyNamesDeadline(t *testing.T) {
	s := &lost{&stuck{fake: &fake{}, ended: make(chan struct{}, 10)}}
	p := startWith(t, s, func(c *Config) { c.RequestTimeout = 50 * time.Millisecond })
	names := `["n"` + strings.Repeat(`,"n"`, manyNames) + `]`
	query := "?group=n" + strings.Repeat("&group=n", manyNames)
	for _, try := range [][2]string{
		{"/v1/push", `{"to":{"groups":` + names + `},"text":"x"}`},
		{"/v1/push", `{"to":{"all":true},"exclude":{"uids":` + names + `},"text":"x"}`},
		{"/v1/push", `{"to":{"uids":` + names + `},"text":"x","wait":"written"}`},
		{"/v1/push/raw" + query, "x"},
		{"/v1/kick", `{"groups":` + names + `}`},
		{"/v1/join", `{"client_ids":` + names + `,"groups":["g"]}`},
		{"/v1/leave", `{"uids":["u"],"groups":` + names + `}`},
		{"/v1/ungroup", `{"groups":` + names + `}`},
	} {
		p.refuses(503, "deadline", "POST", try[0], try[1])
		<-s.ended
	}
}

// TestBatchDeadline: commands for which a batch has no time left are answered
// 503 each and not executed.
func TestBatchDeadline(t *testing.T) {
	p, s := startStuck(t, "")
	time.AfterFunc(200*time.Millisecond, func() { close(s.unbind) })
	status, body, _ := p.ask("POST", "/v1/batch", `{"commands":[{"op":"unbind","client_id":"c-1"},{"op":"kick","all":true},{"op":"ungroup","groups":["g"]}]}`)
	if status != 200 || strings.Count(body, `{"status":200`) != 1 || strings.Count(body, `"code":"deadline"`) != 2 {
		t.Errorf("%d %s", status, body)
	}
	if got := s.took(); got != `unbind "c-1"` {
		t.Errorf("the gateway was asked %s", got)
	}
}
