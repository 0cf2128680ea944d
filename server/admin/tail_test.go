package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/gateway"
)

// watch opens a tail as the page does.
func (r *rig) watch(query string) *websocket.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(r.url, "http", "ws", 1)+"/api/tail?"+query, &websocket.DialOptions{
		HTTPClient: r.http, HTTPHeader: http.Header{"Origin": {r.url}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// kindsOf reads a tail until it has told so many happenings.
func kindsOf(t *testing.T, conn *websocket.Conn, n int) (kinds []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for len(kinds) < n {
		_, text, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", kinds, err)
		}
		var b batch
		if err := json.Unmarshal(text, &b); err != nil || b.Dropped != 0 {
			t.Fatalf("%s: %v", text, err)
		}
		for _, e := range b.Events {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// A tail tells what happens, over a WebSocket and as lines, each as it is filtered.
func TestTail(t *testing.T) {
	t.Parallel()
	r := start(t, "read,push,manage ops key")
	r.login("key")
	all, ann := r.watch(""), r.watch("uid=ann")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	idle := r.watch("uid=nobody")
	go func() { // takes the pong
		for err := error(nil); err == nil; {
			_, _, err = idle.Read(ctx)
		}
	}()
	if err := idle.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	req, _ := http.NewRequest("GET", r.url+"/api/tail?group=room", nil)
	req.Header.Set("X-API-Key", "key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != `{"events":[],"dropped":0}` {
		t.Fatalf("the first line is %q", lines.Text())
	}
	id := r.dial()
	r.ok("POST", "/api/bind", `{"client_id":"`+id+`","uid":"ann","groups":["room"]}`)
	r.ok("POST", "/api/push", `{"to":{"groups":["room"]},"text":"hi"}`)
	r.ok("POST", "/api/kick", `{"client_ids":["`+id+`"]}`)
	if got := strings.Join(kindsOf(t, all, 4), " "); got != "connect bind push end" {
		t.Errorf("all: %s", got)
	}
	if got := strings.Join(kindsOf(t, ann, 2), " "); got != "bind end" {
		t.Errorf("ann: %s", got)
	}
	told := ""
	for !strings.Contains(told, `"kind":"end"`) && lines.Scan() {
		told += lines.Text()
	}
	if !strings.Contains(told, `"kind":"push"`) || !strings.Contains(told, `"matched":1`) || strings.Contains(told, `"kind":"connect"`) {
		t.Errorf("lines: %s", told)
	}
}

// So many may watch, and whoever leaves makes room.
func TestMostTails(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.login("")
	const most = 16
	var conns []*websocket.Conn
	for range most {
		conns = append(conns, r.watch(""))
	}
	r.refuses(503, "busy", "GET", "/api/tail", "", nil)
	_ = conns[0].Close(websocket.StatusNormalClosure, "")
	for {
		w, err := r.gateway.Tail(gateway.TailFilter{})
		if err == nil {
			w.Close()
			return
		}
	}
}

// stuckTail is a tail, and a stream whose reader takes the first message only.
type stuckTail struct {
	dropped uint64
	sent    int
	next    chan gateway.Happening
}

func (s *stuckTail) Next() <-chan gateway.Happening { return s.next }
func (s *stuckTail) Dropped() uint64                { return s.dropped }
func (s *stuckTail) Close()                         {}
func (s *stuckTail) gone() <-chan struct{}          { return nil }
func (s *stuckTail) close()                         {}

func (s *stuckTail) send(*batch) error {
	if s.sent++; s.sent == 1 {
		return nil
	}
	s.dropped = 9 // while it waits
	return context.DeadlineExceeded
}

// What is dropped while a reader is waited for is counted, also if it never reads again.
func TestDropsOfAStuckReaderAreCounted(t *testing.T) {
	t.Parallel()
	s := &Server{base: t.Context()}
	tail := &stuckTail{next: make(chan gateway.Happening, 1)}
	tail.next <- gateway.Happening{Kind: gateway.Pushed}
	s.follow(tail, tail)
	if n := s.tails.dropped.Load(); n != 9 {
		t.Errorf("%d drops are counted, want 9", n)
	}
}
