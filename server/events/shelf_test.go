package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"castgate/server/gateway"
)

// In all tests of this package, what was taken from a shelf is garbage at once.
func TestMain(m *testing.M) {
	spoil = func(b []byte) {
		for i := range b {
			b[i] = '!'
		}
	}
	os.Exit(m.Run())
}

// Bodies stay what they were until they are taken, and blocks are used again.
func TestShelf(t *testing.T) {
	var s shelf
	type kept struct {
		want, body []byte
		block      *block
	}
	var queue []kept
	blocks := map[*block]bool{}
	for n := range 20_000 {
		want := []byte(fmt.Sprintf("%d%s", n, bytes.Repeat([]byte{'x'}, n%700)))
		if n%5000 == 0 {
			want = make([]byte, blockLen+1)
		}
		body, k := s.put(want)
		if k == nil != (len(want) > blockLen) {
			t.Fatalf("a body of %d bytes is in a block: %t", len(want), k != nil)
		}
		if k != nil {
			blocks[k] = true
		}
		if queue = append(queue, kept{want, body, k}); len(queue) == 300 {
			for _, q := range queue[:n%300+1] {
				if !bytes.Equal(q.body, q.want) {
					t.Fatalf("%.20q has become %.20q", q.want, q.body)
				}
				s.took(q.block)
			}
			queue = append(queue[:0], queue[n%300+1:]...)
		}
	}
	// 300 bodies of at most 705 bytes fit into 7 blocks, with one that is begun.
	if len(blocks) > 9 {
		t.Errorf("%d blocks for 300 bodies", len(blocks))
	}
}

// What is under way when a lane goes back is still what it was when more comes.
func TestBodiesOfARewoundLane(t *testing.T) {
	l := &lane{wake: make(chan struct{}, 1), mostBytes: laneBytes, batch: 10, size: 10, next: 1}
	give := func(from uint64) {
		for n := from; n < from+10; n++ {
			l.push(item{number: n, key: 1}, fmt.Appendf(nil, "body %d", n))
		}
		l.next = from + 10
	}
	give(1)
	batch := l.first()
	l.rewind(1)
	give(11)
	for i, it := range batch {
		if want := fmt.Sprintf("body %d", i+1); string(it.body) != want {
			t.Errorf("%s has become %s", want, it.body)
		}
	}
	if l.done(len(batch)) {
		t.Error("a batch counts as told that was taken before the lane went back")
	}
}

// An event that is set aside stays what it was while others come and go, is shown so and
// replayed so.
func TestSetAsideStaysWhatItWas(t *testing.T) {
	b := newBackend(t)
	cured := false
	var replayed []byte
	b.answers(func(w http.ResponseWriter, _ *http.Request, body []byte, _ []event) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if cured {
			replayed = bytes.Clone(body)
			return false
		}
		if strings.Contains(string(body), `"poison"`) {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	})
	e := start(t, config(b.url))
	bad := client(1_000_001)
	bad.UID = "poison"
	e.Connected(bad, nil)
	told, n := 0, 1
	more := func() { // of the same lane, whose shelf held it
		for ; laneOf(uint64(n)) != laneOf(bad.Key); n++ {
			continue
		}
		e.Connected(client(n), nil)
		n, told = n+1, told+1
	}
	for dead := 0; dead == 0; dead, _ = e.dead.len() {
		more()
		b.await(told)
	}
	for range 10 {
		more()
	}
	b.await(told)
	dead, err := e.Dead(t.Context())
	if err != nil || len(dead) != 1 {
		t.Fatalf("%+v, %v", dead, err)
	}
	var ev event
	if err := json.Unmarshal(dead[0].Event, &ev); err != nil || ev.ID != dead[0].ID || ev.Subject != bad.ID || orEmpty(ev.Data.UID) != bad.UID {
		t.Errorf("%s is shown with the id %q: %v", dead[0].Event, dead[0].ID, err)
	}
	b.mu.Lock()
	cured = true
	b.mu.Unlock()
	if r, err := e.Replay(context.Background(), gateway.Replay{IDs: []string{dead[0].ID}}); err != nil || r.Replayed != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if want := "[" + string(dead[0].Event) + "]"; string(replayed) != want {
		t.Errorf("replayed %s, want %s", replayed, want)
	}
}
