package server

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/gateway"
	"castgate/server/loop"
)

// witness writes down what it is told as a Watcher.
type witness struct {
	mu      sync.Mutex
	refuses bool
	taking  gateway.Taking
	lives   map[string][]string
	last    map[string]gateway.Watched
	ends    map[string]gateway.End
	keys    []uint64
}

func newWitness() *witness {
	return &witness{lives: map[string][]string{}, last: map[string]gateway.Watched{}, ends: map[string]gateway.End{}}
}

func (w *witness) note(c *gateway.Watched, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives[c.ID] = append(w.lives[c.ID], what)
	w.last[c.ID] = *c
	w.keys = append(w.keys, c.Key)
}

func (w *witness) Connected(c *gateway.Watched, request []byte) bool {
	w.mu.Lock()
	refuses := w.refuses
	w.mu.Unlock()
	if !refuses {
		line, _, _ := strings.Cut(string(request), "\r\n")
		w.note(c, "connected "+line)
	}
	return !refuses
}

func (w *witness) Bound(c *gateway.Watched, previous string) {
	w.note(c, fmt.Sprintf("bound %s before %q groups %v", c.UID, previous, c.Groups))
}

func (w *witness) Unbound(c *gateway.Watched, previous string) {
	w.note(c, fmt.Sprintf("unbound %s now %q", previous, c.UID))
}

func (w *witness) Message(c *gateway.Watched, binary bool, payload []byte) gateway.Taking {
	w.note(c, fmt.Sprintf("message %t %s", binary, payload))
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taking
}

func (w *witness) Disconnected(c *gateway.Watched, e *gateway.End) {
	w.note(c, fmt.Sprintf("disconnected %s %d", e.Reason, e.Code))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[c.ID] = *e
}

func (w *witness) life(id string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lives[id])
}

// ended returns the end of a client and what it was then.
func (w *witness) ended(t *testing.T, id string) (gateway.Watched, gateway.End) {
	t.Helper()
	eventually(t, "the end of "+id, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, ok := w.ends[id]
		return ok
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[id], w.ends[id]
}

// What a client was is told whole and in order, and its end as it was before
// anything was taken away, whoever ends it.
func TestWatchedLife(t *testing.T) {
	w, deaf := newWitness(), newWitness()
	deaf.refuses = true
	s := startServer(t, func(c *Config) { c.Watchers = []gateway.Watcher{deaf, w} })
	ctx := context.Background()
	bind := func(b gateway.Bind) {
		if _, err := s.Bind(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	kicked, other := s.dial(), s.dial()
	bind(gateway.Bind{ClientID: kicked.id, UID: "ann", Groups: []string{"g1", "g2"}})
	bind(gateway.Bind{ClientID: kicked.id, UID: "ann"}) // changes nothing
	bind(gateway.Bind{ClientID: kicked.id, UID: "bob"})
	bind(gateway.Bind{ClientID: other.id, UID: "bob"})
	if _, err := s.PutSession(ctx, kicked.id, []byte(`{"a": 1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{"bob"}}, Payload: []byte("hello"), Wait: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{kicked.id}}, Code: 4007}); err != nil {
		t.Fatal(err)
	}
	was, end := w.ended(t, kicked.id)
	want := []string{
		"connected GET / HTTP/1.1", `bound ann before "" groups [g1 g2]`, `bound bob before "ann" groups [g1 g2]`, "disconnected kicked 4007",
	}
	if got := w.life(kicked.id); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if was.UID != "bob" || !reflect.DeepEqual(was.Groups, []string{"g1", "g2"}) || was.GroupCount != 2 || was.Session != `{"a":1}` || !was.Remote.IsValid() || was.ConnectedAt.IsZero() {
		t.Errorf("at its end it was %+v", was)
	}
	if end.LastOfUID || end.MessagesOut != 1 || end.BytesIn == 0 || end.BytesOut == 0 {
		t.Errorf("%+v", end)
	}
	if _, err := s.Unbind(ctx, other.id); err != nil {
		t.Fatal(err)
	}
	bind(gateway.Bind{ClientID: other.id, UID: "cid"})
	if _, err := s.UnbindUIDs(ctx, []string{"cid"}); err != nil {
		t.Fatal(err)
	}
	bind(gateway.Bind{ClientID: other.id, UID: "dan"})
	_ = other.ws.Close(4321, "bye")
	if was, end := w.ended(t, other.id); was.UID != "dan" || end.Code != 4321 || end.Reason != "peer_closed" || !end.LastOfUID {
		t.Errorf("%+v, %+v", was, end)
	}
	if len(deaf.keys) > 0 {
		t.Error("who wants to hear nothing of a client was told of it")
	}
}

// Clients in many groups, and those that a stop ends, are told of as well.
func TestWatchedEnds(t *testing.T) {
	w := newWitness()
	s := startServer(t, func(c *Config) { c.Watchers = []gateway.Watcher{w} })
	ctx := context.Background()
	var groups []string
	for i := range 512 {
		groups = append(groups, fmt.Sprint("group", i))
	}
	var ids []string
	for range 3 {
		c := s.dial()
		ids = append(ids, c.id)
		if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "u", Groups: groups}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: ids[:1]}}); err != nil {
		t.Fatal(err)
	}
	w.ended(t, ids[0])
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	last := 0
	for i, id := range ids {
		was, end := w.ended(t, id)
		if was.GroupCount != len(groups) || len(was.Groups) != gateway.MaxWatchedGroups || was.UID != "u" {
			t.Errorf("%d groups, of which %d are told, uid %q", was.GroupCount, len(was.Groups), was.UID)
		}
		if i > 0 && (end.Reason != "shutdown" || end.Code != 1001) {
			t.Errorf("%+v", end)
		}
		if end.LastOfUID {
			last++
		}
	}
	if last != 1 {
		t.Errorf("%d clients were the last of their uid", last)
	}
}

// Forwarded messages come in order; a client that has sent enough is read again
// when it is said so; one that nobody can be told of is closed.
func TestForwardedMessages(t *testing.T) {
	w := newWitness()
	w.taking = gateway.TakenEnough
	s := startServer(t, func(c *Config) { c.Watchers, c.OnMessage = []gateway.Watcher{w}, loop.OnMessageForward })
	ctx := context.Background()
	c := s.dial()
	for i := range 3 {
		if err := c.ws.Write(ctx, websocket.MessageText, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 3; n++ {
		eventually(t, "a message", func() bool { return len(w.life(c.id)) >= n+1 })
		w.mu.Lock()
		if n == 2 {
			w.taking = gateway.Taken
		}
		key := w.keys[0]
		w.mu.Unlock()
		eventually(t, "the next message", func() bool { // it is held a moment after it is told
			s.ResumeKeys([]uint64{key, 0, 1 << 63})
			return n == 3 || len(w.life(c.id)) > n+1
		})
	}
	if got := w.life(c.id)[1:]; !reflect.DeepEqual(got, []string{"message false 0", "message false 1", "message false 2"}) {
		t.Errorf("%q", got)
	}
	w.mu.Lock()
	w.taking = gateway.RefusedFull
	w.mu.Unlock()
	if err := c.ws.Write(ctx, websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	c.expectClose(1013, "try again later")
	if _, end := w.ended(t, c.id); end.MessagesIn != 4 || end.Reason != "events_full" {
		t.Errorf("%+v", end)
	}
	w.mu.Lock()
	w.refuses = true
	w.mu.Unlock()
	unknown := s.dial()
	if err := unknown.ws.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	unknown.expectClose(1013, "try again later")
}
