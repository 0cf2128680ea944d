package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/kernel"
)

// eventLog is an Events that keeps all it is told, by connection id.
type eventLog struct {
	mu      sync.Mutex
	clients map[uint32][]string
	heads   map[uint32]string
	last    map[uint32]gateway.EventClient

	admission, taking atomic.Uint32 // what it answers
	budget            atomic.Int64  // how many are admitted; 0 is no limit
}

func newEventLog() *eventLog {
	return &eventLog{clients: map[uint32][]string{}, heads: map[uint32]string{}, last: map[uint32]gateway.EventClient{}}
}

func (e *eventLog) note(c gateway.EventClient, what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clients[c.Connection] = append(e.clients[c.Connection], what+"|"+c.Session)
	e.last[c.Connection] = c
}

func (e *eventLog) Admit(netip.Addr) gateway.Admission {
	answer := gateway.Admission(e.admission.Load())
	if answer == gateway.AdmitNow && e.budget.Load() > 0 && e.budget.Add(-1) == 0 {
		e.admission.Store(uint32(gateway.AdmitLater))
	}
	return answer
}

func (e *eventLog) Opened(c gateway.EventClient, request []byte) {
	e.note(c, "open")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heads[c.Connection] = string(request)
}

func (e *eventLog) Message(c gateway.EventClient, binary bool, payload []byte) gateway.Taking {
	e.note(c, fmt.Sprintf("message %v %s", binary, payload))
	return gateway.Taking(e.taking.Load())
}

func (e *eventLog) Closed(c gateway.EventClient) { e.note(c, "close") }

func (e *eventLog) of(id uint32) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.clients[id])
}

// startPeer runs a server whose clients are numbered from 1, as the golden
// vectors of GatewayWorker want it.
func startPeer(t testing.TB, change func(*Config)) (*testServer, *eventLog) {
	t.Helper()
	return startPeerOn(t, &kernel.Linux, change)
}

func startPeerOn(t testing.TB, sys *kernel.Calls, change func(*Config)) (*testServer, *eventLog) {
	t.Helper()
	log := newEventLog()
	var last atomic.Uint32
	s := startServerOn(t, sys, func(c *Config) {
		c.PeerAddress = netip.MustParseAddrPort("127.0.0.1:12910")
		c.ConnectionIDs = func() uint32 { return last.Add(1) }
		c.Events = log
		if change != nil {
			change(c)
		}
	})
	return s, log
}

func connectionOf(t *testing.T, id string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(id[12:], 16, 32)
	if err != nil || len(id) != clientid.PeerLen {
		t.Fatalf("client id %q", id)
	}
	return uint32(n)
}

func TestPeerClientIDs(t *testing.T) {
	s, _ := startPeer(t, nil)
	ctx := context.Background()
	c := s.dial()
	if c.id != "7f000001326e00000001" {
		t.Fatalf("client id %q", c.id)
	}
	for _, bad := range []string{"", "7f000001326e00000002", "7F000001326E00000001", "7f000001326f00000001", "7f000001326e0000000", "7f000001326e000000010"} {
		if _, err := s.Client(ctx, bad); !errors.Is(err, &gateway.Error{Code: gateway.CodeUnknownClient}) {
			t.Errorf("client %q: %v", bad, err)
		}
	}
	info, err := s.Client(ctx, c.id)
	if err != nil || info.ClientID != c.id {
		t.Fatalf("%+v, %v", info, err)
	}
	page, err := s.Clients(ctx, gateway.List{})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].ClientID != c.id {
		t.Fatalf("%+v, %v", page, err)
	}
	_ = c.ws.CloseNow()
	eventually(t, "the client to go", func() bool { return s.stats().Sockets == 0 })
	if s.ids.Parse(c.id) != 0 {
		t.Error("the id of a client that is gone still resolves")
	}
}

func TestEventsOfAClient(t *testing.T) {
	s, log := startPeer(t, nil)
	ctx := context.Background()
	c := s.dial()
	id := connectionOf(t, c.id)
	if err := c.ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return len(log.of(id)) == 2 })
	if err := s.PutSessionBytes(ctx, c.id, []byte("a:0:{}\xff")); err != nil {
		t.Fatal(err)
	}
	w, _ := c.ws.Writer(ctx, websocket.MessageBinary)
	for range 3 {
		_, _ = w.Write([]byte(strings.Repeat("x", 20_000)))
	}
	_ = w.Close()
	_ = c.ws.Write(ctx, websocket.MessageText, nil)
	_ = c.ws.Close(websocket.StatusNormalClosure, "")
	eventually(t, "the close", func() bool { return len(log.of(id)) == 5 })
	want := []string{"open|", "message false hello|", "message true " + strings.Repeat("x", 60_000) + "|a:0:{}\xff",
		"message false |a:0:{}\xff", "close|a:0:{}\xff"}
	if got := log.of(id); !slices.Equal(got, want) {
		t.Errorf("told %.300q", got)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if head := log.heads[id]; !strings.HasPrefix(head, "GET / HTTP/1.1\r\n") || !strings.HasSuffix(head, "\r\n\r\n") {
		t.Errorf("request %q", head)
	}
	last := log.last[id]
	if last.Connection != connectionOf(t, c.id) || last.Remote.Addr().String() != "127.0.0.1" || last.Remote.Port() == 0 ||
		s.Addr().String() != fmt.Sprintf("127.0.0.1:%d", last.LocalPort) {
		t.Errorf("%+v", last)
	}
}

// However a client ends, Closed comes once and last, with its session.
func TestClosedOnceHoweverItEnds(t *testing.T) {
	s, log := startPeer(t, nil)
	ctx := context.Background()
	ends := []func(c, other *testClient){
		func(c, _ *testClient) { _ = c.ws.CloseNow() },
		func(c, _ *testClient) {
			_, _ = s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{c.id}}, Text: "bye"})
		},
		func(c, _ *testClient) { _, _ = s.Abort(ctx, c.id) },
		func(c, other *testClient) {
			_, _ = s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "u"})
			_, _ = s.Bind(ctx, gateway.Bind{ClientID: other.id, UID: "u", KickOld: true})
		},
		func(c, _ *testClient) { _ = c.ws.Write(ctx, websocket.MessageText, []byte("\xff")) },
	}
	for i, end := range ends {
		c, other := s.dial(), s.dial()
		id := connectionOf(t, c.id)
		_ = s.PutSessionBytes(ctx, c.id, []byte("s"))
		end(c, other)
		eventually(t, "the close", func() bool { l := log.of(id); return strings.HasPrefix(l[len(l)-1], "close") })
		eventually(t, "the end", func() bool { _, online, _ := s.SessionBytes(ctx, c.id); return !online })
		if got := log.of(id); !slices.Equal(got, []string{"open|", "close|s"}) {
			t.Errorf("end %d: told %q", i, got)
		}
	}
	c := s.dial()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := log.of(connectionOf(t, c.id)); !slices.Equal(got, []string{"open|", "close|"}) {
		t.Errorf("at shutdown: told %q", got)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for id, told := range log.clients {
		if n := len(told); told[0] != "open|" || !strings.HasPrefix(told[n-1], "close") {
			t.Errorf("client %d: %q", id, told)
		}
	}
}

func TestSessionBytes(t *testing.T) {
	s, _ := startPeer(t, nil)
	ctx := context.Background()
	c := s.dial()
	if b, online, err := s.SessionBytes(ctx, c.id); b != "" || !online || err != nil {
		t.Errorf("at first: %q %v %v", b, online, err)
	}
	if _, err := s.PutSession(ctx, c.id, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a:0:{}", "\x00\xff", "", strings.Repeat("s", gateway.MaxSessionBytes)} {
		if err := s.PutSessionBytes(ctx, c.id, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := s.SessionBytes(ctx, c.id); got != want {
			t.Errorf("stored %.40q, got %.40q", want, got)
		}
	}
	if err := s.PutSessionBytes(ctx, c.id, make([]byte, gateway.MaxSessionBytes+1)); !errors.Is(err, &gateway.Error{Code: gateway.CodeSessionTooLarge}) {
		t.Errorf("too large: %v", err)
	}
	if err := s.PutSessionBytes(ctx, "7f000001326e000000ff", nil); !errors.Is(err, &gateway.Error{Code: gateway.CodeUnknownClient}) {
		t.Errorf("unknown: %v", err)
	}
	if _, online, err := s.SessionBytes(ctx, "7f000001326e000000ff"); online || err != nil {
		t.Errorf("unknown: %v %v", online, err)
	}
	if info, _ := s.Client(ctx, c.id); string(info.Session) != `{"a":1}` {
		t.Errorf("the JSON session is %s", info.Session)
	}
}

func TestRawPushAndKicks(t *testing.T) {
	s, _ := startPeer(t, nil)
	ctx := context.Background()
	a, b, c := s.dial(), s.dial(), s.dial()
	send := func(to gateway.Targets, m gateway.Message, want uint64) {
		t.Helper()
		before := s.stats().Matched
		if err := s.Send(ctx, to, m); err != nil {
			t.Fatal(err)
		}
		if n := s.stats().Matched - before; n != want {
			t.Errorf("%+v matched %d clients, want %d", m, n, want)
		}
	}
	send(gateway.Targets{All: true}, gateway.Message{Raw: true, Payload: []byte("\x82\x02\xff\x00")}, 3)
	send(gateway.Targets{All: true}, gateway.Message{Raw: true}, 3) // no bytes: nothing to write
	send(gateway.Targets{ClientIDs: []string{a.id}}, gateway.Message{Payload: []byte("after")}, 1)
	s.Wake()
	if err := s.Send(ctx, gateway.Targets{All: true}, gateway.Message{Payload: []byte("\xff")}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidUTF8}) {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	a.expect("\xff\x00", "after")
	if found, err := s.Dismiss(ctx, b.id, gateway.Message{}); !found || err != nil {
		t.Fatal(found, err)
	}
	b.expectClose(1000, "")
	b.expect("\xff\x00", "")
	if found, err := s.Abort(ctx, c.id); !found || err != nil {
		t.Fatal(found, err)
	}
	c.expectClose(-1, "")
	if found, err := s.Dismiss(ctx, a.id, gateway.Message{Payload: []byte("\xff")}); found || !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidUTF8}) {
		t.Errorf("last text that is not UTF-8: %v, %v", found, err)
	}
	if found, err := s.Dismiss(ctx, a.id, gateway.Message{Payload: []byte("\xff"), Binary: true}); !found || err != nil {
		t.Fatal(found, err)
	}
	a.expectClose(1000, "")
	a.expect("\xff\x00", "after", "\xff")
	for _, gone := range []*testClient{a, b, c} {
		dismissed, err := s.Dismiss(ctx, gone.id, gateway.Message{})
		aborted, abortErr := s.Abort(ctx, gone.id)
		if dismissed || aborted || err != nil || abortErr != nil {
			t.Errorf("a client that is gone: %v, %v, %v, %v", dismissed, err, aborted, abortErr)
		}
	}
}

// What was pushed before an Abort and fits into the socket still arrives, as it
// does where each push is written at once (docs/gatewayworker-protocol.md
// section 7.5).
func TestAbortWritesWhatFits(t *testing.T) {
	s, _ := startPeer(t, nil)
	ctx := context.Background()
	for range 100 {
		c := s.dial()
		for _, to := range []gateway.Targets{{All: true}, {ClientIDs: []string{c.id}}, {All: true}} {
			if r, err := s.Push(ctx, gateway.Push{To: to, Payload: []byte("before")}); err != nil || r.Matched != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if found, err := s.Abort(ctx, c.id); !found || err != nil {
			t.Fatal(found, err)
		}
		c.expectClose(-1, "")
		c.expect("before", "before", "before")
	}
}

func TestOrders(t *testing.T) {
	s, _ := startPeer(t, nil)
	ctx := context.Background()
	var ids []string
	for range 4 {
		ids = append(ids, s.dial().id)
	}
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	members := func(q gateway.Members, want ...int) {
		t.Helper()
		got, err := s.Members(ctx, q)
		var names []string
		for _, i := range want {
			names = append(names, ids[i])
		}
		if err != nil || !slices.Equal(got, names) {
			t.Errorf("%+v: %v, %v, want %v", q, got, err, names)
		}
	}
	for _, i := range []int{2, 0, 3, 1} {
		do(s.Bind(ctx, gateway.Bind{ClientID: ids[i], UID: "\xff", Groups: []string{"room"}}))
	}
	members(gateway.Members{UID: "\xff"}, 2, 0, 3, 1)
	do(s.Bind(ctx, gateway.Bind{ClientID: ids[0], UID: "\xff", Groups: []string{"room"}}))
	members(gateway.Members{UID: "\xff"}, 2, 3, 1, 0)
	members(gateway.Members{Group: "room"}, 2, 0, 3, 1)
	do(s.Leave(ctx, gateway.Membership{ClientIDs: []string{ids[2]}, Groups: []string{"room"}}))
	do(s.Join(ctx, gateway.Membership{ClientIDs: []string{ids[2]}, Groups: []string{"room"}}))
	members(gateway.Members{Group: "room"}, 0, 3, 1, 2)
	members(gateway.Members{Group: "nobody"})

	do(s.Join(ctx, gateway.Membership{ClientIDs: []string{ids[1]}, Groups: []string{"007", "7", "-5"}}))
	do(s.Leave(ctx, gateway.Membership{ClientIDs: []string{ids[1]}, Groups: []string{"room"}}))
	do(s.Join(ctx, gateway.Membership{ClientIDs: []string{ids[1]}, Groups: []string{"room"}}))
	if names, _ := s.GroupNames(ctx); !slices.Equal(names, []string{"room", "007", "7", "-5"}) {
		t.Errorf("groups %q", names)
	}
	last := s.dial().id
	var seen, groups []string
	do(nil, s.Each(ctx, gateway.Each{Groups: true}, func(c gateway.ClientState) bool {
		seen = append(seen, c.ClientID)
		groups = append(groups, fmt.Sprint(c.UID, c.Groups, c.Groups == nil))
		return true
	}))
	if !slices.Equal(seen, append(slices.Clone(ids), last)) {
		t.Errorf("in connect order %v", seen)
	}
	if groups[1] != "\xff[007 7 -5 room] false" || groups[4] != "[] true" {
		t.Errorf("groups %q", groups)
	}
	do(s.Leave(ctx, gateway.Membership{ClientIDs: []string{ids[0]}, Groups: []string{"room"}}))
	do(nil, s.Each(ctx, gateway.Each{UID: "\xff", Groups: true}, func(c gateway.ClientState) bool {
		if c.ClientID == ids[0] && (c.Groups == nil || len(c.Groups) != 0) {
			t.Errorf("left all: %#v", c.Groups)
		}
		return c.ClientID != ids[0]
	}))
}

func TestSuspendInit(t *testing.T) {
	s, log := startPeer(t, nil)
	s.SuspendInit(true)
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	eventually(t, "the client", func() bool { return len(log.of(1)) == 1 })
	if _, err := s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("first")}); err != nil {
		t.Fatal(err)
	}
	if _, b, err := ws.Read(ctx); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
}
