package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/capacity"
	"castgate/server/gateway"
)

// explained is what is remembered, in short.
func (s *testServer) explained(q gateway.Explain) gateway.Explanation {
	s.t.Helper()
	x, err := s.Explain(context.Background(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

// endsOf waits for a number of ends of a uid.
func (s *testServer) endsOf(uid string, n int) []gateway.PastEnd {
	s.t.Helper()
	var x gateway.Explanation
	eventually(s.t, fmt.Sprintf("%d ends of %s", n, uid), func() bool {
		x = s.explained(gateway.Explain{UID: uid})
		return len(x.Ends) == n
	})
	return x.Ends
}

// An end is remembered with its reason, whoever began it, by uid and by client id.
func TestEndsAreRemembered(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	ctx := context.Background()
	kicked, left := s.dial(), s.dial()
	for _, c := range []*testClient{kicked, left} {
		if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "ann", Groups: []string{"room"}}); err != nil {
			t.Fatal(err)
		}
	}
	if x := s.explained(gateway.Explain{UID: "ann"}); len(x.Connected) != 2 || len(x.Ends) != 0 || x.Since.IsZero() {
		t.Errorf("before: %+v", x)
	}
	if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{kicked.id}}, Code: 4000, Reason: "why not"}); err != nil {
		t.Fatal(err)
	}
	e := s.endsOf("ann", 1)[0]
	if e.ClientID != kicked.id || e.UID != "ann" || e.Reason != "kicked" || e.Code != 4000 || !e.Remote.IsValid() || e.At.Before(e.ConnectedAt) {
		t.Errorf("kicked: %+v", e)
	}
	_ = left.ws.Close(websocket.StatusNormalClosure, "")
	e = s.endsOf("ann", 2)[0]
	if e.ClientID != left.id || e.Reason != "peer_closed" {
		t.Errorf("left: %+v", e)
	}
	x := s.explained(gateway.Explain{ClientID: kicked.id})
	if len(x.Ends) != 1 || x.Ends[0].Reason != "kicked" || len(x.Connected) != 0 {
		t.Errorf("by client id: %+v", x)
	}
	for _, q := range []gateway.Explain{{}, {UID: "a", ClientID: "b"}, {UID: strings.Repeat("n", 129)}} {
		if _, err := s.Explain(ctx, q); err == nil {
			t.Errorf("%+v was answered", q)
		}
	}
}

// A push that matched nobody is remembered. A node of a cluster must be told, since others
// may have had the client.
func TestMissesAreRemembered(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for range 2 {
		if _, err := s.Push(context.Background(), gateway.Push{To: gateway.Targets{UIDs: []string{"nobody"}}, Payload: []byte("hi")}); err != nil {
			t.Fatal(err)
		}
	}
	if x := s.explained(gateway.Explain{UID: "nobody"}); len(x.Misses) != 1 || x.Misses[0].Count != 2 {
		t.Errorf("%+v", x)
	}
	shared := startServer(t, func(c *Config) { c.ClientIDs = &SharedIDs{} })
	if _, err := shared.Push(context.Background(), gateway.Push{To: gateway.Targets{UIDs: []string{"nobody"}}, Payload: []byte("hi")}); err != nil {
		t.Fatal(err)
	}
	if x := shared.explained(gateway.Explain{UID: "nobody"}); len(x.Misses) != 0 {
		t.Errorf("a node of a cluster: %+v", x)
	}
	push := gateway.Push{To: gateway.Targets{UIDs: []string{"nobody"}}}
	shared.Pushed(&push, 0, false)
	shared.Pushed(&push, 1, true)
	shared.Pushed(&push, 0, true)
	if st := shared.stats(); st.Pushes != 1 || st.PushesUnmatched != 1 {
		t.Errorf("%d of %d pushes for nobody", st.PushesUnmatched, st.Pushes)
	}
	if x := shared.explained(gateway.Explain{UID: "nobody"}); len(x.Misses) != 1 || x.Misses[0].Count != 1 {
		t.Errorf("a node of a cluster that knows better: %+v", x)
	}
}

// What other nodes ask is not measured by this one's names, and counted there.
func TestPeersOfServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) { c.ClientIDs = &SharedIDs{} })
	long := strings.Repeat("u", gateway.MaxPeerNameLen)
	tail, err := s.Tail(gateway.TailFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	ctx, c := context.Background(), s.dial()
	<-tail.Next() // the connect
	if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: long}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidName}) {
		t.Error("at its own door:", err)
	}
	peers := s.Peers()
	if _, err := peers.Bind(ctx, gateway.Bind{ClientID: c.id, UID: long}); err != nil {
		t.Error(err)
	}
	<-tail.Next() // the bind
	for uid, want := range map[string]int{"nobody": 0, long: 1} {
		r, err := peers.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{uid}}, Payload: []byte("hi")})
		if err != nil || r.Matched != want {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if _, err := peers.Counts(ctx, gateway.Counts{UIDs: []string{long + "u"}}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidName}) {
		t.Error("a name that no node allows:", err)
	}
	if h := <-tail.Next(); h.Kind != gateway.Pushed || h.Matched != 1 {
		t.Errorf("watched: %+v", h)
	}
	if st := s.stats(); st.Pushes != 0 || st.PushesUnmatched != 0 {
		t.Errorf("%d pushes counted, %d for nobody", st.Pushes, st.PushesUnmatched)
	}
}

// A client that does not read is remembered with what it was not sent and what waited.
func TestDropsAreRemembered(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) { c.SlowPolicy, c.SendQueue = capacity.SlowDrop, 64<<10 })
	ctx := context.Background()
	c := s.dialRaw()
	if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "ann"}); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 32<<10)
	eventually(t, "a drop", func() bool {
		_, err := s.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{"ann"}}, Payload: payload, Binary: true})
		if err != nil {
			t.Fatal(err)
		}
		x := s.explained(gateway.Explain{UID: "ann"})
		return len(x.Drops) == 1 && x.Drops[0].Count > 1
	})
	d := s.explained(gateway.Explain{UID: "ann"}).Drops[0]
	if d.Reason != "slow" || d.ClientID != c.id || d.UID != "ann" || d.QueuedBytes < 64<<10 || d.QueuedFrames == 0 {
		t.Errorf("%+v", d)
	}
}

// Who watches is told in order what happens to a client and what is pushed.
func TestTail(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	ctx := context.Background()
	w, err := s.Tail(gateway.TailFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := s.dialWith(&websocket.DialOptions{HTTPHeader: http.Header{"User-Agent": {"<b>agent</b>"}}})
	if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "ann", Groups: []string{"room"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{Groups: []string{"room"}}, Payload: []byte("hi")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unbind(ctx, c.id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{c.id}}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 5 {
		h := <-w.Next()
		line := h.Kind + " " + h.UID + h.Previous + strings.Join(h.Groups, ",")
		switch h.Kind {
		case gateway.Connected:
			line += h.UserAgent
		case gateway.Pushed:
			line += fmt.Sprint(h.To.Groups, h.Matched, h.Bytes)
		case gateway.Ended:
			line += h.End.Reason
		}
		if h.Kind != gateway.Pushed && h.ClientID != c.id {
			t.Errorf("%s is of %q, want %q", h.Kind, h.ClientID, c.id)
		}
		got = append(got, line)
	}
	want := []string{"connect <b>agent</b>", "bind annroom", "push [room] 1 2", "unbind annroom", "end roomkicked"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
