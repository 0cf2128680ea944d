package events

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"castgate/server/events/internal/sign"
	"castgate/server/gateway"
)

// clock is a wall clock that is set back and forth.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Round(0).Add(time.Duration(c.ahead.Load())) }

func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// A clock that is set back keeps no uid online, and one that is set forward takes none
// offline that only reloads its page. A pause that the backend has asked for is as long
// as it said.
func TestClockJumps(t *testing.T) {
	b, now := newBackend(t), &clock{}
	c := config(b.url)
	c.Now, c.Types, c.OfflineAfter = now.now, 1<<UIDOnline|1<<UIDOffline, 20*time.Millisecond
	e := start(t, c)
	comes := func(e *Events, n int, uid string) *gateway.Watched {
		w := client(n)
		w.UID = uid
		e.Connected(w, nil)
		return w
	}
	ann := comes(e, 1, "ann")
	b.await(1)
	e.Disconnected(ann, &gateway.End{})
	now.set(-time.Hour)
	b.await(2) // ann is offline
	now.set(time.Hour)
	bob := comes(e, 2, "bob")
	b.await(3)
	now.set(0)
	e.Disconnected(bob, &gateway.End{})
	if got := b.await(4); got[1].Subject != "ann" || got[1].Type != UIDOffline.String() || got[3].Subject != "bob" || got[3].Type != UIDOffline.String() {
		t.Errorf("%+v", got)
	}

	c.OfflineAfter = time.Hour
	patient := start(t, c)
	cid := comes(patient, 3, "cid")
	b.await(5)
	patient.Disconnected(cid, &gateway.End{})
	now.set(2 * time.Hour)
	for n := range 3 { // each is written before the next one comes
		comes(patient, 10+n, fmt.Sprint("marker", n))
		b.await(6 + n)
	}
	comes(patient, 4, "cid")
	comes(patient, 20, "last")
	for _, ev := range b.await(9) {
		if ev.Type == UIDOffline.String() && ev.Subject == "cid" {
			t.Error("the reload of a page is told since the clock was set forward")
		}
	}

	b.answers(func(w http.ResponseWriter, _ *http.Request, _ []byte, _ []event) bool {
		now.set(-time.Hour)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(429)
		b.answers(nil)
		return true
	})
	now.set(0)
	comes(patient, 30, "after the pause")
	b.await(10)
}

// A backend refuses what is signed at another time than its own. When the clock is right
// again it is told everything, and nothing was set aside.
func TestSignedAtTheWrongTime(t *testing.T) {
	b, now := newBackend(t), &clock{}
	secret, err := sign.ParseSecret(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	b.answers(func(w http.ResponseWriter, r *http.Request, body []byte, _ []event) bool {
		seconds, _ := strconv.ParseInt(r.Header.Get(sign.HeaderTimestamp), 10, 64)
		at := time.Unix(seconds, 0)
		if r.Header.Get(sign.HeaderSignature) != sign.Signature([]sign.Secret{secret}, r.Header.Get(sign.HeaderID), at, body) {
			t.Error("a signature is wrong")
		}
		if time.Since(at).Abs() < 5*time.Minute {
			return false
		}
		refused.Add(1)
		w.WriteHeader(401)
		return true
	})
	c := config(b.url)
	c.Now, c.Secrets = now.now, []string{testSecret}
	e := start(t, c)
	const clients = 50
	for i, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		now.set(ahead)
		before := refused.Load()
		for n := range clients {
			life(e, i*clients+n+1)
		}
		if ahead != 0 {
			until(t, "some are refused", func() bool { return refused.Load() > before+2 })
		}
		now.set(0)
		inOrder(t, b.await((i+1)*4*clients))
	}
	if n, _ := e.dead.len(); n != 0 {
		t.Errorf("%d events are set aside", n)
	}
}

// URLs and secrets change again and again while events come: all is told, in order, and
// signed by secrets that are or were in use.
func TestReloadUnderLoad(t *testing.T) {
	b := newBackend(t)
	secretOf := func(n int) string { return "whsec_" + strings.Repeat(string(rune('A'+n%26)), 40) }
	const writers, clients, rounds = 4, 400, 20
	var known [rounds + 1]sign.Secret
	for n := range known {
		secret, err := sign.ParseSecret(secretOf(n))
		if err != nil {
			t.Fatal(err)
		}
		known[n] = secret
	}
	var round, wrong atomic.Int64
	b.answers(func(_ http.ResponseWriter, r *http.Request, body []byte, _ []event) bool {
		seconds, _ := strconv.ParseInt(r.Header.Get(sign.HeaderTimestamp), 10, 64)
		good := false
		for n := range min(int(round.Load())+1, len(known)) {
			want := sign.Signature(known[n:n+1], r.Header.Get(sign.HeaderID), time.Unix(seconds, 0), body)
			good = good || strings.Contains(r.Header.Get(sign.HeaderSignature), want)
		}
		if !good {
			wrong.Add(1)
		}
		return false
	})
	c := config(b.url)
	c.Secrets = []string{secretOf(0)}
	e := start(t, c)
	var work sync.WaitGroup
	for i := range writers {
		work.Go(func() {
			for n := range clients {
				life(e, i*clients+n+1)
				if n%10 == 0 {
					time.Sleep(time.Millisecond) // so that they come while it is reloaded
				}
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		round.Store(int64(n))
		targets := Targets{URLs: []string{fmt.Sprint(b.url, "&place=", n/2)}, Secrets: []string{secretOf(n), secretOf(n - 1)}}
		if err := e.SetTargets(targets); err != nil {
			t.Fatal(err)
		}
		targets.Secrets = targets.Secrets[:1]
		if err := e.SetTargets(targets); err != nil {
			t.Fatal(err)
		}
		b.await(min(n*50, 4*writers*clients)) // it is told in between
	}
	work.Wait()
	got := b.await(4 * writers * clients)
	inOrder(t, got)
	if len(got) != 4*writers*clients || wrong.Load() > 0 {
		t.Errorf("%d events, want %d; %d requests are signed by a secret that was not set yet", len(got), 4*writers*clients, wrong.Load())
	}
	life(e, writers*clients+1)
	b.await(4*writers*clients + 4)
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.headers[len(b.headers)-1].Get(sign.HeaderSignature); strings.Contains(last, " ") {
		t.Errorf("the last request has the signatures %q, want one", last)
	}
}
