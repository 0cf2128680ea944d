package events

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/events/internal/sign"
	"castgate/server/gateway"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// Everything is told once while nothing fails, in order, signed, and with all that
// was known.
func TestWholeLife(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	c.Secrets, c.Node, c.TokenQuery = []string{testSecret}, 7, "token"
	var bodies sync.Map
	b.answers(func(_ http.ResponseWriter, r *http.Request, body []byte, _ []event) bool {
		bodies.Store(r.Header.Get(sign.HeaderID), [2]string{r.Header.Get(sign.HeaderSignature), string(body)})
		return false
	})
	e := start(t, c)
	w := client(1)
	w.UID, w.Groups, w.Session = "alice \"é\"", []string{"g1", "g2"}, `{"a":[1,2]}`
	e.Connected(w, []byte("GET /ws/room?a=1&t%6fken=geheim&b=2 HTTP/1.1\r\nHost: x\r\nuser-AGENT: Firefox\r\n\r\n"))
	w.UID = "bob"
	e.Bound(w, "alice")
	e.Disconnected(w, &gateway.End{Reason: "kicked", Code: 4000, LastOfUID: true, Traffic: gateway.Traffic{BytesIn: 17}})
	got := b.await(3)
	inOrder(t, got)
	first, last := got[0], got[2]
	if first.Type != "castgate.client.connected" || first.Source != "/castgate/nodes/7" || first.Subject != "c1" || first.SpecVersion != "1.0" || first.DataContentType != "application/json" {
		t.Errorf("%+v", first)
	}
	d := first.Data
	if d.ClientID != "c1" || *d.UID != w.UID && *d.UID != "alice \"é\"" || !reflect.DeepEqual(d.Groups, w.Groups) || string(d.Session) != w.Session || d.RemoteAddr != "192.0.2.1:4000" {
		t.Errorf("%+v", d)
	}
	if *d.Path != "/ws/room" || *d.Query != "a=1&b=2" || *d.UserAgent != "Firefox" {
		t.Errorf("path %q, query %q, agent %q", *d.Path, *d.Query, *d.UserAgent)
	}
	if got[1].Type != "castgate.client.bound" || *got[1].Data.UID != "bob" || *got[1].Data.PreviousUID != "alice" {
		t.Errorf("%+v", got[1])
	}
	if l := last.Data; last.Type != "castgate.client.disconnected" || l.Reason != "kicked" || l.Code != 4000 || *l.BytesIn != 17 || !*l.LastOfUID || len(l.Groups) != 2 {
		t.Errorf("%+v", last)
	}
	secret, _ := sign.ParseSecret(testSecret)
	bodies.Range(func(id, v any) bool {
		sent := v.([2]string)
		if sent[0] == "" || !strings.HasPrefix(sent[0], "v1,") {
			t.Errorf("%s is signed %q", id, sent[0])
		}
		return true
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.headers[0]
	v, _ := bodies.Load(h.Get(sign.HeaderID))
	var at time.Time
	if err := json.Unmarshal([]byte(`"1970-01-01T00:00:00Z"`), &at); err != nil {
		t.Fatal(err)
	}
	seconds, err := time.ParseDuration(h.Get(sign.HeaderTimestamp) + "s")
	if err != nil {
		t.Fatal(err)
	}
	if want := sign.Signature([]sign.Secret{secret}, h.Get(sign.HeaderID), at.Add(seconds), []byte(v.([2]string)[1])); h.Get(sign.HeaderSignature) != want {
		t.Errorf("signature %s, want %s", h.Get(sign.HeaderSignature), want)
	}
}

// What is refused for a while is told when it is accepted again, with the same ids,
// and nothing twice that was accepted.
func TestOutageIsCaughtUpInOrder(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"503":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"302":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"401":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"reset":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"garbage":  func(w http.ResponseWriter, _ *http.Request) { hijacked(w, "no HTTP at all\r\n\r\n") },
		"no bytes": func(w http.ResponseWriter, _ *http.Request) { hijacked(w, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t)
			away := true
			b.answers(func(w http.ResponseWriter, r *http.Request, _ []byte, _ []event) bool {
				b.mu.Lock()
				is := away
				b.mu.Unlock()
				if is {
					fail(w, r)
				}
				return is
			})
			e := start(t, config(b.url))
			const clients = 300
			for n := range clients {
				life(e, n+1)
			}
			until(t, "40 attempts", func() bool { return b.asked() >= 40 })
			if n, _ := e.dead.len(); n > 0 {
				t.Fatalf("%d events were set aside although none was accepted", n)
			}
			b.mu.Lock()
			away = false
			b.mu.Unlock()
			got := b.await(4 * clients)
			inOrder(t, got)
			if len(got) != 4*clients {
				t.Errorf("%d events, want %d", len(got), 4*clients)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for id, n := range b.byID {
				if n != 1 {
					t.Errorf("%s was accepted %d times", id, n)
				}
			}
		})
	}
}

// hijacked answers with bytes that are no answer.
func hijacked(w http.ResponseWriter, text string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
}

// A process that dies leaves clients behind: the next one says their end, goes on
// with the sequence, and tells again what may not have arrived.
func TestCrash(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	c.Dir = filepath.Join(t.TempDir(), "events")
	e := start(t, c)
	const clients = 50
	for n := range clients {
		w := client(n + 1)
		e.Connected(w, nil)
		w.UID = "u"
		e.Bound(w, "")
		if n%5 == 0 {
			e.Disconnected(w, &gateway.End{Reason: "peer_gone", Code: 1006})
		}
	}
	b.await(2*clients + clients/5)
	c.Dir = crashed(t, c.Dir)
	again := start(t, c)
	got := b.await(3 * clients)
	inOrder(t, got)
	lost := 0
	for _, ev := range got {
		if ev.Data.Reason == reasonGatewayLost {
			lost++
			if ev.Instance != e.instance || *ev.Data.UID != "u" || ev.Data.BytesIn != nil || ev.Data.RemoteAddr != "192.0.2.1:4000" {
				t.Errorf("%+v", ev)
			}
		}
	}
	if want := clients - clients/5; lost != want {
		t.Errorf("%d clients were told lost, want %d", lost, want)
	}
	c.Dir = crashed(t, c.Dir)
	end(t, again)
	third := start(t, c)
	life(third, 999)
	if all := b.await(3*clients + 4); len(all) != 3*clients+4 {
		t.Errorf("%d events after a third start, want %d", len(all), 3*clients+4)
	}
}

// What was not told when a process ended in order is told by the next, and not
// told as lost.
func TestOrderlyRestart(t *testing.T) {
	b := newBackend(t)
	c := config(b.url)
	c.Dir = filepath.Join(t.TempDir(), "events")
	b.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		w.WriteHeader(503)
		return true
	})
	e := start(t, c)
	for n := range 20 {
		life(e, n+1)
	}
	until(t, "an attempt", func() bool { return b.asked() > 0 })
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.answers(nil)
	next := start(t, c)
	inOrder(t, b.await(80))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := next.Close(ctx); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	if b.await(80); len(b.await(80)) != 80 {
		t.Error("something more was told")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, n := range b.byID {
		if n != 1 {
			t.Errorf("%s was accepted %d times although every end was in order", id, n)
		}
	}
}

// A stop in order tells all there is, also what is just being written.
func TestStopTellsTheLast(t *testing.T) {
	b := newBackend(t)
	for round := range 10 {
		c := config(b.url)
		c.Dir = filepath.Join(t.TempDir(), "events")
		e := start(t, c)
		life(e, round+1)
		until(t, "the journal has taken it", func() bool { return e.inbox.waiting() == 0 })
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		n := len(b.got)
		b.mu.Unlock()
		if n != 4*(round+1) {
			t.Fatalf("%d events were told when the stop was over, want %d", n, 4*(round+1))
		}
	}
}

// One event that the backend never accepts is found and set aside; all others are
// told, and it can be replayed.
func TestPoison(t *testing.T) {
	for _, alone := range []bool{false, true} {
		b := newBackend(t)
		cured := false
		b.answers(func(w http.ResponseWriter, _ *http.Request, body []byte, _ []event) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			if !cured && strings.Contains(string(body), `"poison"`) {
				w.WriteHeader(500)
				return true
			}
			return false
		})
		e := start(t, config(b.url))
		bad := client(1_000_001)
		bad.UID = "poison"
		total := 0
		if alone { // nothing else is on its way, but another client in the same lane
			e.Connected(bad, nil)
			until(t, "attempts", func() bool { return b.asked() > probeFrom })
			for n := 1; total < 2*poisonTries; n++ {
				if laneOf(uint64(n)) == laneOf(bad.Key) {
					e.Connected(client(n), nil)
					total++
				}
			}
		} else {
			for n := range 400 {
				life(e, n+1)
				if n == 200 {
					e.Connected(bad, nil)
				}
			}
			total = 1600
		}
		got := b.await(total)
		until(t, "the poison is set aside", func() bool { n, _ := e.dead.len(); return n == 1 })
		if len(got) != total {
			t.Errorf("%d events, want %d", len(got), total)
		}
		inOrder(t, got)
		dead, err := e.Dead(t.Context())
		if err != nil || len(dead) != 1 || dead[0].Status != 500 || strings.Contains(dead[0].URL, "hidden") {
			t.Errorf("%+v, %v", dead, err)
		}
		if r, err := e.Replay(t.Context(), gateway.Replay{}); err != nil || r.Failed != 1 || r.Replayed != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		b.mu.Lock()
		cured = true
		b.mu.Unlock()
		if r, err := e.Replay(t.Context(), gateway.Replay{IDs: []string{"no", dead[0].ID}}); err != nil || r.Replayed != 1 || r.Failed != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if n, _ := e.dead.len(); n != 0 {
			t.Errorf("%d events are still set aside", n)
		}
	}
}

// A backend that refuses three requests of ten, whatever is in it, is not taken for one
// that does not accept single events.
func TestFlakyBackend(t *testing.T) {
	b := newBackend(t)
	random := rand.New(rand.NewPCG(1, 2))
	b.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if random.IntN(10) < 3 {
			w.WriteHeader(500)
			return true
		}
		return false
	})
	e := start(t, config(b.url))
	for n := range 500 {
		life(e, n+1)
	}
	inOrder(t, b.await(2000))
	if n, _ := e.dead.len(); n > 0 {
		t.Errorf("%d events were set aside", n)
	}
}

// 410 ends all attempts, until a reload.
func TestGoneUntilReload(t *testing.T) {
	b := newBackend(t)
	b.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		w.WriteHeader(410)
		return true
	})
	c, said := config(b.url), &lines{}
	c.Log = slog.New(slog.NewTextHandler(said, nil))
	e := start(t, c)
	life(e, 1)
	s := (*e.subscribers.Load())[0]
	until(t, "a pause", s.paused.Load)
	until(t, "that is said", func() bool { return strings.Contains(said.String(), "410 Gone") })
	if text := said.String(); strings.Contains(text, "trying again") {
		t.Errorf("the log says %q, but nothing is tried", text)
	}
	asked := b.asked()
	for n := range 200 {
		life(e, n+2)
	}
	until(t, "all are written", func() bool { return e.inbox.waiting() == 0 })
	if more := b.asked() - asked; more > lanes {
		t.Errorf("%d requests after a 410", more)
	}
	b.answers(nil)
	if err := e.SetTargets(c.Targets); err != nil {
		t.Fatal(err)
	}
	inOrder(t, b.await(804))
}

// A URL that replaces another one goes on in its place; one that is added begins
// with what comes; secrets change at once.
func TestReload(t *testing.T) {
	first, second, third := newBackend(t), newBackend(t), newBackend(t)
	first.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		w.WriteHeader(503)
		return true
	})
	c := config(first.url)
	e := start(t, c)
	life(e, 1)
	until(t, "an attempt", func() bool { return first.asked() > 0 })
	if err := e.SetTargets(Targets{URLs: []string{"ftp://x"}}); err == nil {
		t.Error("a URL of another scheme is taken")
	}
	if err := e.SetTargets(Targets{URLs: []string{second.url}, Secrets: []string{testSecret}}); err != nil {
		t.Fatal(err)
	}
	inOrder(t, second.await(4))
	if err := e.SetTargets(Targets{URLs: []string{second.url, third.url}, TokenQuery: "room"}); err != nil {
		t.Fatal(err)
	}
	life(e, 2)
	second.await(8)
	if got := third.await(4); len(got) != 4 || got[0].Subject != "c2" || got[0].Data.Query != nil {
		t.Errorf("%+v", got)
	}
	second.mu.Lock()
	defer second.mu.Unlock()
	if len(second.headers[0].Values(sign.HeaderSignature)) != 1 || len(second.headers[len(second.headers)-1].Values(sign.HeaderSignature)) != 0 {
		t.Error("the secrets are not those of the time")
	}
}

func TestDirectoryInUse(t *testing.T) {
	c := config()
	c.Dir = filepath.Join(t.TempDir(), "events")
	start(t, c)
	_, err := New(c)
	if err == nil || !strings.Contains(err.Error(), "events-dir: ") || !strings.Contains(err.Error(), "in use by process") {
		t.Error(err)
	}
	c.Dir = filepath.Join(c.Dir, "no", "parent")
	if _, err := New(c); err == nil || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
