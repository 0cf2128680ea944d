package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/gateway"
	"castgate/server/internal/clientid"
)

var ctx = context.Background()

func asClose(err error, e *websocket.CloseError) bool { return errors.As(err, e) }

func (s *testServer) push(to gateway.Targets, text string) gateway.PushResult {
	s.t.Helper()
	r, err := s.Push(ctx, gateway.Push{To: to, Payload: []byte(text)})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *testServer) bind(c *testClient, uid string, groups ...string) gateway.BindResult {
	s.t.Helper()
	r, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: uid, Groups: groups})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	s := startServer(t, nil)
	a, b := s.dial(), s.dial()
	if a.id == b.id || len(a.id) != clientid.Len {
		t.Fatalf("client ids %q and %q", a.id, b.id)
	}
	s.bind(a, "42", "room/7")
	s.bind(b, "43", "room/7", "room/8")

	for _, step := range []struct {
		to      gateway.Targets
		text    string
		matched int
	}{
		{gateway.Targets{ClientIDs: []string{a.id}}, "client", 1},
		{gateway.Targets{UIDs: []string{"42"}}, "uid", 1},
		{gateway.Targets{Groups: []string{"room/7"}}, "group", 2},
		{gateway.Targets{All: true}, "all", 2},
		{gateway.Targets{ClientIDs: []string{a.id, "no such"}, UIDs: []string{"42"}, Groups: []string{"room/7", "room/8"}}, "mixed", 2},
		{gateway.Targets{UIDs: []string{"nobody"}}, "none", 0},
	} {
		if r := s.push(step.to, step.text); r.Matched != step.matched {
			t.Errorf("push %s matched %d, want %d", step.text, r.Matched, step.matched)
		}
	}
	a.expect("client", "uid", "group", "all", "mixed")
	b.expect("group", "all", "mixed")
}

func TestExclude(t *testing.T) {
	s := startServer(t, nil)
	a, b, c := s.dial(), s.dial(), s.dial()
	s.bind(a, "a", "g")
	s.bind(b, "b", "g")
	s.bind(c, "c", "g")
	for _, p := range []gateway.Push{
		{To: gateway.Targets{All: true}, ExcludeClientIDs: []string{a.id, "unknown"}, Payload: []byte("1")},
		{To: gateway.Targets{Groups: []string{"g"}}, ExcludeUIDs: []string{"b"}, Payload: []byte("2")},
		{To: gateway.Targets{UIDs: []string{"a", "b", "c"}}, ExcludeUIDs: []string{"c"}, ExcludeClientIDs: []string{a.id}, Payload: []byte("3")},
	} {
		want := 2
		if string(p.Payload) == "3" {
			want = 1
		}
		if r, err := s.Push(ctx, p); err != nil || r.Matched != want {
			t.Errorf("push %s: %+v %v", p.Payload, r, err)
		}
	}
	a.expect("2")
	b.expect("1", "3")
	c.expect("1", "2")
}

func TestMembership(t *testing.T) {
	s := startServer(t, nil)
	a, b := s.dial(), s.dial()
	s.bind(a, "u")
	if r := s.bind(b, "u"); r.PreviousUID != "" {
		t.Errorf("previous uid %q", r.PreviousUID)
	}
	r, err := s.Join(ctx, gateway.Membership{ClientIDs: []string{a.id, "gone"}, UIDs: []string{"u"}, Groups: []string{"x", "y"}})
	if err != nil || r.Changed != 4 || len(r.UnknownClientIDs) != 1 || r.UnknownClientIDs[0] != "gone" {
		t.Fatalf("Join: %+v %v", r, err)
	}
	counts, _ := s.Counts(ctx, gateway.Counts{Groups: []string{"x", "y", "z"}, UIDs: []string{"u"}})
	if counts.Groups[0] != 2 || counts.Groups[1] != 2 || counts.Groups[2] != 0 || counts.UIDs[0] != 2 {
		t.Errorf("Counts: %+v", counts)
	}
	if r, _ := s.Leave(ctx, gateway.Membership{ClientIDs: []string{a.id}, Groups: []string{"x", "never"}}); r.Changed != 1 {
		t.Errorf("Leave: %+v", r)
	}
	if n, _ := s.Ungroup(ctx, []string{"x", "y"}); n != 3 {
		t.Errorf("Ungroup: %d", n)
	}
	if r, err := s.Unbind(ctx, a.id); err != nil || r.PreviousUID != "u" {
		t.Errorf("Unbind: %+v %v", r, err)
	}
	if n, err := s.UnbindUIDs(ctx, []string{"u", "none", "u"}); err != nil || n != 1 {
		t.Errorf("UnbindUIDs: %d, %v", n, err)
	}
	s.bind(b, "u")
	if r := s.bind(b, "v"); r.PreviousUID != "u" {
		t.Errorf("bind to another uid: %+v", r)
	}
	if st := s.stats(); st.UIDs != 1 || st.Groups != 0 || st.Connections != 2 {
		t.Errorf("stats %+v", st)
	}
	if _, err := s.Bind(ctx, gateway.Bind{ClientID: strings.Repeat("0", 32), UID: "u"}); !errors.Is(err, &gateway.Error{Code: gateway.CodeUnknownClient}) {
		t.Errorf("bind of an unknown client: %v", err)
	}
}

// Lists that were computed may be empty: they name nobody, and never everybody.
func TestEmptyListsNameNobody(t *testing.T) {
	s := startServer(t, nil)
	s.dial()
	if r, err := s.Push(ctx, gateway.Push{Payload: []byte("x")}); err != nil || r != (gateway.PushResult{}) {
		t.Errorf("Push: %+v, %v", r, err)
	}
	if n, err := s.Kick(ctx, gateway.Kick{}); err != nil || n != 0 {
		t.Errorf("Kick: %d, %v", n, err)
	}
	for _, m := range []gateway.Membership{{}, {UIDs: []string{"u"}}, {Groups: []string{"g"}}} {
		if r, err := s.Join(ctx, m); err != nil || r.Changed != 0 {
			t.Errorf("Join: %+v, %v", r, err)
		}
		if r, err := s.Leave(ctx, m); err != nil || r.Changed != 0 {
			t.Errorf("Leave: %+v, %v", r, err)
		}
	}
	if n, err := s.Ungroup(ctx, nil); err != nil || n != 0 {
		t.Errorf("Ungroup: %d, %v", n, err)
	}
	if st := s.stats(); st.Connections != 1 || st.Pushes != 1 || st.PushesUnmatched != 1 {
		t.Errorf("%d connections, %d of %d pushes for nobody", st.Connections, st.PushesUnmatched, st.Pushes)
	}
}

// Who is excluded from a kick stays, be it of all or of names.
func TestKickExcludes(t *testing.T) {
	s := startServer(t, nil)
	a, b, c := s.dial(), s.dial(), s.dial()
	s.bind(a, "u")
	s.bind(b, "u")
	s.bind(c, "v")
	if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{UIDs: []string{"u"}}, ExcludeClientIDs: []string{b.id, "gone"}}); err != nil || n != 1 {
		t.Errorf("all of u but one: %d, %v", n, err)
	}
	if n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}, ExcludeUIDs: []string{"u", "none"}}); err != nil || n != 1 {
		t.Errorf("all but u: %d, %v", n, err)
	}
	if r, err := s.Online(ctx, gateway.Online{ClientIDs: []string{a.id, b.id, c.id}}); err != nil || r.Clients[0] || !r.Clients[1] || r.Clients[2] {
		t.Errorf("online: %v, %v", r.Clients, err)
	}
	if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}, ExcludeUIDs: []string{""}}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidName}) {
		t.Errorf("but an empty uid: %v", err)
	}
}

func TestKick(t *testing.T) {
	s := startServer(t, nil)
	a, b, c := s.dial(), s.dial(), s.dial()
	s.bind(a, "u")
	s.push(gateway.Targets{ClientIDs: []string{a.id}}, "before")
	n, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{UIDs: []string{"u"}}, Code: 4000, Reason: "out", Text: "bye"})
	if err != nil || n != 1 {
		t.Fatalf("Kick: %d %v", n, err)
	}
	if r := s.push(gateway.Targets{All: true}, "after"); r.Matched != 2 {
		t.Errorf("a push after the kick matched %d", r.Matched)
	}
	a.expectClose(4000, "out")
	a.expect("before", "bye")
	b.expect("after")

	s.bind(b, "w")
	r, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "w", KickOld: true})
	if err != nil || r.Kicked != 1 {
		t.Fatalf("exclusive bind: %+v %v", r, err)
	}
	b.expectClose(4001, "replaced")
	if n, _ := s.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}}); n != 1 {
		t.Errorf("kick all: %d", n)
	}
	c.expectClose(1000, "")
}

func TestSession(t *testing.T) {
	s := startServer(t, nil)
	a := s.dial()
	if _, err := s.PutSession(ctx, a.id, json.RawMessage(`{"a": 1, "b": {"c": 2}}`)); err != nil {
		t.Fatal(err)
	}
	got, err := s.PatchSession(ctx, a.id, json.RawMessage(`{"a":null,"b":{"d":3}}`))
	if err != nil || string(got) != `{"b":{"c":2,"d":3}}` {
		t.Fatalf("%s %v", got, err)
	}
	info, err := s.Client(ctx, a.id)
	if err != nil || string(info.Session) != string(got) || info.ClientID != a.id || info.RemoteAddr == "" {
		t.Fatalf("%+v %v", info, err)
	}
	for _, bad := range []struct {
		session string
		code    gateway.Code
	}{
		{`[1]`, gateway.CodeInvalidSession}, {`{`, gateway.CodeInvalidSession}, {``, gateway.CodeInvalidSession}, {`null`, gateway.CodeInvalidSession},
		{`{"x":"` + strings.Repeat("y", gateway.MaxSessionLen) + `"}`, gateway.CodeSessionTooLarge},
	} {
		if _, err := s.PutSession(ctx, a.id, json.RawMessage(bad.session)); !errors.Is(err, &gateway.Error{Code: bad.code}) {
			t.Errorf("session %.20s: %v", bad.session, err)
		}
	}
	if info, _ := s.Client(ctx, a.id); string(info.Session) != string(got) {
		t.Errorf("a refused session changed it to %s", info.Session)
	}
}

func TestWaitWritten(t *testing.T) {
	s := startServer(t, nil)
	for range 5 {
		s.dial()
	}
	r, err := s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("x"), Wait: true})
	if err != nil || r != (gateway.PushResult{Matched: 5, Written: 5}) {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := s.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{"none"}}, Payload: []byte("x"), Wait: true}); err != nil || r != (gateway.PushResult{}) {
		t.Errorf("to nobody: %+v %v", r, err)
	}
}

func TestInvalidArguments(t *testing.T) {
	s := startServer(t, nil)
	long := strings.Repeat("u", gateway.MaxNameLen+1)
	for _, row := range []struct {
		p    gateway.Push
		code gateway.Code
	}{
		{gateway.Push{To: gateway.Targets{UIDs: []string{""}}}, gateway.CodeInvalidName},
		{gateway.Push{To: gateway.Targets{UIDs: []string{long}}}, gateway.CodeInvalidName},
		{gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("\xff")}, gateway.CodeInvalidUTF8},
		{gateway.Push{To: gateway.Targets{All: true}, ExcludeUIDs: []string{long}}, gateway.CodeInvalidName},
	} {
		if _, err := s.Push(ctx, row.p); !errors.Is(err, &gateway.Error{Code: row.code}) {
			t.Errorf("%+v: %v, want %s", row.p.To, err, row.code)
		}
	}
	for _, k := range []gateway.Kick{{To: gateway.Targets{All: true}, Code: 1006}, {To: gateway.Targets{All: true}, Code: 2999}, {To: gateway.Targets{All: true}, Code: 5000}} {
		if _, err := s.Kick(ctx, k); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidCloseCode}) {
			t.Errorf("kick with %d: %v", k.Code, err)
		}
	}
}
