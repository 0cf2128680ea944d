package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// A name that the node asked has taken at its own door is carried out by all, though
// their own callers could not use it, and listings carry it.
func TestLongNamesOfOneNode(t *testing.T) {
	w, ids := ready(t, 4, 3, 1)
	w.procs[1].local.longest, w.procs[2].local.longest = 128, 128
	long := strings.Repeat("u", 300)
	n := w.procs[0].node
	w.do(w.procs[0], func(ctx context.Context) {
		for i, uid := range []string{long, "B", "C"} {
			if _, err := n.Bind(ctx, gateway.Bind{ClientID: ids[i][0], UID: uid, Groups: []string{"g"}}); err != nil {
				t.Error(err)
			}
		}
		if r, err := n.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{long, "B", "C"}}}); err != nil || r.Matched != 3 {
			t.Errorf("push: %+v, %v", r, err)
		}
		if r, err := n.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, ExcludeUIDs: []string{long}}); err != nil || r.Matched != 2 {
			t.Errorf("push to all others: %+v, %v", r, err)
		}
		if r, err := n.Leave(ctx, gateway.Membership{UIDs: []string{long, "B"}, Groups: []string{"g"}}); err != nil || r.Changed != 2 {
			t.Errorf("leave: %+v, %v", r, err)
		}
		if _, err := n.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: long, KickOld: true}); err != nil {
			t.Errorf("bind at another node: %v", err)
		}
	})
	other := w.procs[2].node
	w.do(w.procs[2], func(ctx context.Context) {
		page, err := other.UIDs(ctx, gateway.List{})
		if err != nil || !slices.ContainsFunc(page.Rows, func(r gateway.NameCount) bool { return r.Name == long }) {
			t.Errorf("uids: %+v, %v", page, err)
		}
		_, err = other.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: long})
		_, err2 := other.Clients(ctx, gateway.List{UID: long})
		for _, err := range []error{err, err2} {
			if e, ok := err.(*gateway.Error); !ok || e.Code != gateway.CodeInvalidName {
				t.Errorf("at a door for short names: %v", err)
			}
		}
	})
}

// Whatever error a node answers, an answer without it is incomplete, and a line says why.
func TestRefusalsAreNoAnswers(t *testing.T) {
	w, ids := ready(t, 4, 3, 1)
	said := listen(w.procs[0])
	w.procs[2].local.failing = map[string]error{}
	for _, code := range []gateway.Code{gateway.CodeInvalidName, gateway.CodeInvalidUTF8, gateway.CodeInvalidReason, "something_new", gateway.CodeBusy} {
		for _, verb := range []string{"push", "kick", "online", "counts", "leave", "clients"} {
			w.procs[2].local.failing[verb] = &gateway.Error{Code: code, Detail: "for a test"}
		}
		n := w.procs[0].node
		w.do(w.procs[0], func(ctx context.Context) {
			for _, id := range []string{ids[0][0], ids[2][0]} {
				if _, err := n.Bind(ctx, gateway.Bind{ClientID: id, UID: "u", Groups: []string{"g"}}); err != nil {
					t.Error(err)
				}
			}
			to := gateway.Targets{UIDs: []string{"u"}}
			_, pushed := n.Push(ctx, gateway.Push{To: to})
			_, online := n.Online(ctx, gateway.Online{UIDs: to.UIDs})
			_, counts := n.Counts(ctx, gateway.Counts{UIDs: to.UIDs})
			_, uids := n.UIDs(ctx, gateway.List{})
			_, narrowed := n.UIDs(ctx, gateway.List{Group: "g"})
			_, clients := n.Clients(ctx, gateway.List{})
			_, left := n.Leave(ctx, gateway.Membership{UIDs: to.UIDs, Groups: []string{"g"}})
			_, kicked := n.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{ids[2][0]}}})
			for what, err := range map[string]error{
				"push": pushed, "online": online, "counts": counts, "uids": uids, "uids of a group": narrowed,
				"clients": clients, "leave": left, "kick": kicked,
			} {
				if !lacksNodes(err, 3) {
					t.Errorf("%s, answered %s: %v", what, code, err)
				}
			}
		})
		if !strings.Contains(said.String(), "code="+string(code)) {
			t.Errorf("nothing said of %s: %s", code, said)
		}
	}
}

// A claim that could not be carried out is told again.
func TestClaimsThatFailAreToldAgain(t *testing.T) {
	w, ids := ready(t, 6, 2, 1)
	n := w.procs[0].node
	w.procs[1].local.failing = map[string]error{"kick": &gateway.Error{Code: gateway.CodeStopping}}
	w.do(w.procs[0], func(ctx context.Context) {
		_, _ = n.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: "u"})
		if _, err := n.Bind(ctx, gateway.Bind{ClientID: ids[0][0], UID: "u", KickOld: true}); !lacksNodes(err, 2) {
			t.Error(err)
		}
	})
	w.procs[1].local.failing = nil
	w.sim.Run(time.Duration(w.sim.Now()) + w.lease)
	if len(w.procs[1].local.clients) != 0 {
		t.Error("the older connection is there still")
	}
}

// What a push has matched is said at the node that was asked, of the whole answer.
func TestPushesAreCountedWhole(t *testing.T) {
	w, ids := ready(t, 4, 3, 1)
	n := w.procs[0].node
	w.do(w.procs[0], func(ctx context.Context) {
		_, _ = n.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: "u"})
		for _, uid := range []string{"u", "nobody"} {
			if _, err := n.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{uid}}}); err != nil {
				t.Error(err)
			}
		}
	})
	if got := w.procs[0].local.pushed; !slices.Equal(got, []pushed{{1, true}, {0, true}}) {
		t.Errorf("at the node that was asked: %v", got)
	}
	if got := w.procs[1].local.pushed; len(got) > 0 {
		t.Errorf("at the other: %v", got)
	}
	w.crash(2)
	w.do(w.procs[0], func(ctx context.Context) { _ = push(ctx, n) })
	if got := w.procs[0].local.pushed; got[2].complete {
		t.Errorf("with a node that does not answer: %v", got)
	}
}
