package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/events/internal/post"
	"castgate/server/gateway"
)

func away(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// A backend that is away costs the quota and no more; what found no room is told as
// one event with its number, and all that is told is in order.
func TestQuota(t *testing.T) {
	for _, disk := range []bool{false, true} {
		b := newBackend(t)
		b.answers(away)
		c, said := config(b.url), &lines{}
		c.Quota, c.Log = MinQuota, slog.New(slog.NewTextHandler(said, nil))
		if disk {
			c.Dir = filepath.Join(t.TempDir(), "events")
		}
		e := start(t, c)
		const clients = 800
		for n := range clients {
			w := client(n + 1)
			w.Session = `"` + strings.Repeat("s", 3000) + `"`
			e.Connected(w, nil)
			e.Bound(w, "")
			e.Unbound(w, "")
			e.Disconnected(w, &gateway.End{})
			if n%100 == 99 {
				until(t, "all are written", func() bool { return e.inbox.waiting() == 0 })
			}
		}
		until(t, "the quota holds", func() bool { return e.inbox.waiting() == 0 && e.store.Size() <= MinQuota+2*e.segmentLen })
		s := (*e.subscribers.Load())[0]
		if text := said.String(); strings.Count(text, "the queue is full") != 1 || !strings.Contains(text, "events=") {
			t.Errorf("the log says %q", text)
		}
		if disk { // and a crash forgets nothing of that
			c.Dir = crashed(t, c.Dir)
			end(t, e)
			b.hangUp() // or it accepts what the process before had sent and counts as lost
			e = start(t, c)
			s = (*e.subscribers.Load())[0]
		}
		b.answers(nil)
		until(t, "everything is told", func() bool { return !s.behind() })
		lost, events := 0, 0
		last := map[string]int{}
		for _, ev := range b.await(1) {
			if ev.Type == Lost.String() {
				lost += ev.Data.Count
				continue
			}
			events++
			if ev.Sequence <= last[ev.Subject] {
				t.Errorf("%s: %d comes after %d", ev.Subject, ev.Sequence, last[ev.Subject])
			}
			last[ev.Subject] = ev.Sequence
		}
		if lost == 0 || lost+events != 4*clients {
			t.Errorf("on disk %t: %d events and %d lost, want %d together", disk, events, lost, 4*clients)
		}
	}
}

// What is known of clients that stay is carried along when the log is trimmed: a
// crash long after still says their end, with what they were.
func TestCarriedAlong(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	c.Dir, c.Quota, c.Keep = filepath.Join(t.TempDir(), "events"), MinQuota, 0
	c.Types |= 1<<UIDOnline | 1<<UIDOffline
	c.OfflineAfter = time.Millisecond
	e := start(t, c)
	const stay, pass = 100, 4000
	for n := range stay {
		w := client(n + 1)
		w.Groups, w.Session = []string{"g"}, `{"k":1}`
		e.Connected(w, nil)
		w.UID = fmt.Sprint("stays", n)
		e.Bound(w, "")
	}
	for n := range pass {
		life(e, stay+n+1)
		if n%200 == 199 {
			until(t, "they are written", func() bool { return e.inbox.waiting() == 0 })
		}
	}
	until(t, "the first segments are dropped", func() bool { return e.store.First() > 2*stay })
	c.Dir = crashed(t, c.Dir)
	end(t, e)
	b.mu.Lock()
	b.got, b.byID = nil, map[string]int{}
	b.mu.Unlock()
	again := start(t, c)
	s := (*again.subscribers.Load())[0]
	ended, offline := map[string]event{}, map[string]bool{}
	until(t, "all are told to have ended", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, ev := range b.got {
			switch {
			case ev.Data.Reason == reasonGatewayLost && ev.Data.UID != nil && strings.HasPrefix(*ev.Data.UID, "stays"):
				ended[ev.Subject] = ev
			case ev.Type == UIDOffline.String() && strings.HasPrefix(ev.Subject, "stays"):
				offline[ev.Subject] = true
			}
		}
		return len(ended) == stay && len(offline) == stay && !s.behind()
	})
	for _, ev := range ended {
		if ev.Sequence != 3 || string(ev.Data.Session) != `{"k":1}` || len(ev.Data.Groups) != 1 || ev.Data.RemoteAddr == "" {
			t.Errorf("%+v", ev)
		}
	}
}

// The place of a uid is told once however many clients it has, and its reload is no
// news.
func TestPresence(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	c.Types, c.OfflineAfter = 1<<UIDOnline|1<<UIDOffline, time.Hour
	e := start(t, c)
	at := time.Unix(1_800_000_000, 0)
	e.now = func() time.Time { return at }
	first, second := client(1), client(2)
	for _, w := range []*gateway.Watched{first, second} {
		w.UID = "ann"
		e.Connected(w, nil)
	}
	e.Disconnected(first, &gateway.End{})
	e.Disconnected(second, &gateway.End{})
	third := client(3)
	e.Connected(third, nil)
	third.UID = "ann"
	e.Bound(third, "")
	third.UID = "bob"
	e.Bound(third, "ann")
	got := b.await(2)
	if got[0].Subject == "bob" { // another lane
		got[0], got[1] = got[1], got[0]
	}
	if len(got) != 2 || got[0].Type != "castgate.uid.online" || got[0].Subject != "ann" || got[1].Subject != "bob" || *got[1].Data.UID != "bob" {
		t.Errorf("%+v", got)
	}
	p := newPresence(time.Second)
	_, _ = p.came("x")
	p.uids["x"].number = 1
	p.left("x", 0)
	p.came("x")
	p.left("x", 500_000)
	if uid, _, ok := p.gone(1_400_000); ok {
		t.Errorf("%s is offline although it was there in between", uid)
	}
	if next, ok := p.next(); !ok || next != 1_500_000 {
		t.Errorf("next at %d", next)
	}
	if uid, _, ok := p.gone(1_500_000); !ok || uid != "x" || len(p.uids) != 0 {
		t.Errorf("%q %t, %v", uid, ok, p.uids)
	}
}

// While the disk takes nothing, memory stays bounded, what is lost is told with its
// number, and of the clients that were told of, the end is told all the same.
func TestDiskTakesNothing(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := client(1), client(1+inboxShards)
	for mix(unknown.Key)%inboxShards != mix(known.Key)%inboxShards {
		unknown.Key++
	}
	e.Connected(known, nil)
	big := *known
	big.Session = `"` + strings.Repeat("x", 1<<20) + `"`
	n := 0
	for e.inbox.waiting()+1<<20+happeningLen <= shardRoom { // the journal does not run yet
		e.Bound(&big, "")
		n++
	}
	for range 5 {
		e.Bound(&big, "")
	}
	if e.Connected(unknownBig(unknown), nil) {
		t.Error("a client is taken that cannot be told of")
	}
	e.Disconnected(&big, &gateway.End{Reason: "peer_gone"})
	if w := e.inbox.waiting(); w > shardRoom {
		t.Errorf("%d bytes wait", w)
	}
	if e.Connected(client(int(unknown.Key)), nil) {
		t.Error("a client is told of before the end of one that came before it")
	}
	e.Start()
	t.Cleanup(func() { end(t, e) })
	got := b.await(n + 3)
	inOrder(t, got)
	lost := 0
	for _, ev := range got {
		if ev.Type == Lost.String() {
			lost += ev.Data.Count
		}
	}
	last := got[len(got)-1]
	if lost != 7 || last.Data.Reason != "peer_gone" && got[len(got)-2].Data.Reason != "peer_gone" {
		t.Errorf("%d lost, last %s %s", lost, last.Type, last.Data.Reason)
	}
}

func unknownBig(w *gateway.Watched) *gateway.Watched {
	c := *w
	c.Session = `"` + strings.Repeat("y", 1<<20) + `"`
	return &c
}

// Messages never push out other events: at three quarters of the quota the client
// is held or refused, and read again when there is room.
func TestMessagesBeyondQuota(t *testing.T) {
	for _, hold := range []bool{true, false} {
		b := newBackend(t)
		b.answers(away)
		c := config(b.url)
		c.Quota, c.HoldMessages, c.Types = MinQuota, hold, c.Types|1<<Message
		h := &resumed{keys: make(chan uint64, 10)}
		e := startFor(t, c, h)
		w := client(1)
		e.Connected(w, nil)
		sent, taking := 0, gateway.Taken
		for taking == gateway.Taken {
			taking = e.Message(w, false, []byte(strings.Repeat("m", 10_000)))
			if sent++; sent%4 == 0 {
				until(t, "all are written", func() bool { return e.inbox.waiting() == 0 })
			}
		}
		if sent < 50 || sent > 110 {
			t.Errorf("%d messages of 10,000 bytes found room in a quota of 1 MiB", sent)
		}
		want := gateway.RefusedFull
		if hold {
			want = gateway.TakenEnough
		} else {
			sent--
		}
		if taking != want {
			t.Errorf("holding %t: %d", hold, taking)
		}
		b.answers(nil)
		if hold {
			select {
			case key := <-h.keys:
				if key != w.Key {
					t.Errorf("%d is read again", key)
				}
			case <-time.After(30 * time.Second):
				t.Error("the client is not read again")
			}
		}
		if got := b.await(1 + sent); len(*got[1].Data.Text) != 10_000 || got[1].Data.Binary {
			t.Errorf("%+v", got[1])
		}
		until(t, "there is room", func() bool { return e.room.ample() })
		e.Message(w, true, []byte{0, 1, 255})
		if got := b.await(2 + sent); *got[1+sent].Data.Base64 != "AAH/" || !got[1+sent].Data.Binary || got[1+sent].Sequence != sent+2 {
			t.Errorf("%+v", got[1+sent])
		}
		if e.Message(w, true, bytes.Repeat([]byte{1}, mostMessage+1)) != gateway.RefusedLarge {
			t.Error("a message that cannot be an event is taken")
		}
	}
}

// A client that sends faster than the disk takes is held as well, and read again.
func TestMessagesFasterThanTheDisk(t *testing.T) {
	c := config()
	c.Types |= 1 << Message
	h := &resumed{keys: make(chan uint64, 1)}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	e.Attach(h)
	w := client(1)
	e.Connected(w, nil)
	sent := 1 // the journal does not run yet
	for taking := gateway.Taken; taking != gateway.TakenEnough; sent++ {
		if taking = e.Message(w, false, []byte(strings.Repeat("m", 10_000))); taking == gateway.RefusedFull {
			t.Fatalf("message %d is refused", sent)
		}
	}
	e.Start()
	t.Cleanup(func() { end(t, e) })
	select {
	case <-h.keys:
	case <-time.After(30 * time.Second):
		t.Error("the client is not read again")
	}
	if got := e.store.Next() - 1; got != uint64(sent) {
		t.Errorf("%d events are written, want %d", got, sent)
	}
}

type resumed struct{ keys chan uint64 }

func (r *resumed) ResumeKeys(keys []uint64) {
	for _, k := range keys {
		r.keys <- k
	}
}

// An answer without an end, or a slow one, holds nothing up beyond its time.
func TestEndlessAnswer(t *testing.T) {
	b := newBackend(t)
	b.answers(func(w http.ResponseWriter, r *http.Request, _ []byte, events []event) bool {
		b.mu.Lock()
		for _, e := range events {
			b.byID[e.ID]++
		}
		b.got = append(b.got, events...)
		b.mu.Unlock()
		w.WriteHeader(200)
		junk := bytes.Repeat([]byte("x"), 32<<10)
		for {
			if _, err := w.Write(junk); err != nil {
				return true
			}
			select {
			case <-r.Context().Done():
				return true
			default:
			}
		}
	})
	e := start(t, config(b.url))
	for n := range 50 {
		life(e, n+1)
	}
	until(t, "all are told", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.got) >= 200
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	inOrder(t, b.got)
	if len(b.got) != 200 {
		t.Errorf("%d events, want 200", len(b.got))
	}
}

// A Retry-After is obeyed by all lanes.
func TestRetryAfter(t *testing.T) {
	b := newBackend(t)
	b.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(429)
		return true
	})
	c := config(b.url)
	e := start(t, c)
	for n := range 500 {
		life(e, n+1)
	}
	s := (*e.subscribers.Load())[0]
	until(t, "a Retry-After", func() bool { return s.holdUntil.Load() > (50 * time.Minute).Microseconds() })
	until(t, "all are written", func() bool { return e.inbox.waiting() == 0 })
	if n := b.asked(); n > lanes {
		t.Errorf("%d requests although the first answer asked for a pause", n)
	}
	until(t, "all that were asked have answered", func() bool {
		return s.count.attempts[post.Throttled].Load() == uint64(b.asked())
	})
	b.answers(nil)
	if err := e.SetTargets(c.Targets); err != nil {
		t.Fatal(err)
	}
	inOrder(t, b.await(2000))
}

// A backend that cannot be reached is tried again, and said why: nobody listens, the
// name is of nobody, the certificate is not trusted, it speaks no TLS.
func TestUnreached(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := newBackend(t)
	for url, why := range map[string]string{
		"http://127.0.0.1:1/": "connection refused", "http://no-such-host.invalid/?key=hidden": "lookup no-such-host.invalid",
		untrusted.URL: "certificate", strings.Replace(plain.url, "http:", "https:", 1): "server gave HTTP response to HTTPS client",
	} {
		c := config(url)
		said := &lines{}
		c.Log = slog.New(slog.NewTextHandler(said, nil))
		e := start(t, c)
		life(e, 1)
		outcome := post.Unreached
		s := (*e.subscribers.Load())[0]
		until(t, "two attempts at "+url, func() bool { return s.count.attempts[outcome].Load() >= 2 })
		if n, _ := e.dead.len(); n > 0 {
			t.Error("an event is set aside although nobody was reached")
		}
		if text := said.String(); !strings.Contains(text, why) || strings.Contains(text, "hidden") || strings.Count(text, "\n") != 1 {
			t.Errorf("the log says %q, want one line with %q", text, why)
		}
	}
}

// lines is a log to look at.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns what was written.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestFeed(t *testing.T) {
	c := config()
	c.Dir = filepath.Join(t.TempDir(), "events")
	e := start(t, c)
	ctx := context.Background()
	if page, err := e.Events(ctx, gateway.EventQuery{}); err != nil || len(page.Events) != 0 || page.Last != "" {
		t.Errorf("%+v, %v", page, err)
	}
	waited := make(chan gateway.EventPage, 1)
	go func() {
		page, _ := e.Events(ctx, gateway.EventQuery{Wait: true})
		waited <- page
	}()
	for n := range 10 {
		life(e, n+1)
	}
	if page := <-waited; len(page.Events) == 0 {
		t.Error("the page that waited is empty")
	}
	until(t, "all are written", func() bool { return e.inbox.waiting() == 0 && e.store.Next() > 40 })
	after, n := "", 0
	for {
		page, err := e.Events(ctx, gateway.EventQuery{After: after, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) == 0 {
			if page.Last != after {
				t.Errorf("%q, want %q", page.Last, after)
			}
			break
		}
		n += len(page.Events)
		after = page.Last
	}
	if n != 40 {
		t.Errorf("%d events in pages, want 40", n)
	}
	for _, id := range []string{"x", "0-1", after + "0", "-", e.instance + "-0", e.instance + "-99999"} {
		if _, err := e.Events(ctx, gateway.EventQuery{After: id}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidCursor}) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := e.Events(ctx, gateway.EventQuery{Limit: mostPageEvents + 1}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidLimit}) {
		t.Error(err)
	}
}

// A rewind tells every backend again what came after an event, with the same ids.
func TestRewind(t *testing.T) {
	b := newBackend(t)
	e := start(t, config(b.url))
	for n := range 100 {
		life(e, n+1)
	}
	b.await(400)
	page, err := e.Events(t.Context(), gateway.EventQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Replay(t.Context(), gateway.Replay{After: page.Last})
	if err != nil || r.Queued != 300 {
		t.Errorf("%+v, %v", r, err)
	}
	until(t, "all are told again", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		twice := 0
		for _, n := range b.byID {
			if n > 1 {
				twice++
			}
		}
		return twice >= 300
	})
	if n := len(b.await(400)); n != 400 {
		t.Errorf("%d different events, want 400", n)
	}
}
