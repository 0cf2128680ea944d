package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// ready is a cluster that is whole, with some clients on each node.
func ready(t *testing.T, seed uint64, nodes, clients int) (*world, [][]string) {
	t.Helper()
	w := newWorld(t, seed, nodes)
	w.settle(20 * time.Second)
	ids := make([][]string, nodes)
	for i, p := range w.procs {
		for range clients {
			ids[i] = append(ids[i], p.local.connect())
		}
	}
	return w, ids
}

// Every verb answers for the clients of all nodes, asked of any.
func TestVerbsOfAllNodes(t *testing.T) {
	for entry := range 3 {
		w, ids := ready(t, uint64(entry+1), 3, 2)
		n := w.procs[entry].node
		w.do(w.procs[entry], func(ctx context.Context) { verbs(ctx, t, n, ids) })
	}
}

func verbs(ctx context.Context, t *testing.T, n *Node, ids [][]string) {
	must := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range ids {
		for j, id := range ids[i] {
			r, err := n.Bind(ctx, gateway.Bind{ClientID: id, UID: fmt.Sprintf("u%d", j), Groups: []string{"g"}})
			if must("bind", err); r.PreviousUID != "" {
				t.Errorf("previous uid %q", r.PreviousUID)
			}
		}
	}
	r, err := n.Bind(ctx, gateway.Bind{ClientID: ids[2][0], UID: "u0"})
	if must("bind", err); r.PreviousUID != "u0" {
		t.Errorf("previous uid %q", r.PreviousUID)
	}
	p, err := n.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{"u0"}, Groups: []string{"g"}, ClientIDs: []string{ids[0][0], "nobody"}},
		ExcludeClientIDs: []string{ids[1][1]}, ExcludeUIDs: []string{"u9"}, Payload: []byte("x"), Wait: true})
	if must("push", err); p != (gateway.PushResult{Matched: 5, Written: 5}) {
		t.Errorf("push: %+v", p)
	}
	o, err := n.Online(ctx, gateway.Online{ClientIDs: []string{ids[1][0], "nobody", ids[0][1]}, UIDs: []string{"u1", "none"}})
	if must("online", err); !slices.Equal(o.Clients, []bool{true, false, true}) || !slices.Equal(o.UIDs, []int{3, 0}) {
		t.Errorf("online: %+v", o)
	}
	m, err := n.Join(ctx, gateway.Membership{ClientIDs: []string{ids[0][0], "nobody", ids[2][1]}, UIDs: []string{"u0"}, Groups: []string{"h"}})
	if must("join", err); m.Changed != 4 || !slices.Equal(m.UnknownClientIDs, []string{"nobody"}) {
		t.Errorf("join: %+v", m)
	}
	c, err := n.Counts(ctx, gateway.Counts{Groups: []string{"g", "h"}, UIDs: []string{"u0"}})
	if must("counts", err); !slices.Equal(c.Groups, []int{6, 4}) || !slices.Equal(c.UIDs, []int{3}) {
		t.Errorf("counts: %+v", c)
	}
	verbsThatUndo(ctx, t, n, ids)
}

// verbsThatUndo goes on where verbs ends.
func verbsThatUndo(ctx context.Context, t *testing.T, n *Node, ids [][]string) {
	must := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	m, err := n.Leave(ctx, gateway.Membership{UIDs: []string{"u0"}, Groups: []string{"h"}})
	if must("leave", err); m.Changed != 3 {
		t.Errorf("leave: %+v", m)
	}
	k, err := n.Ungroup(ctx, []string{"h"})
	if must("ungroup", err); k != 1 {
		t.Errorf("ungroup: %d", k)
	}
	for _, list := range ids {
		info, err := n.Client(ctx, list[1])
		if must("client", err); info.UID != "u1" {
			t.Errorf("client: %+v", info)
		}
		s, err := n.PutSession(ctx, list[1], []byte(`{"a":1}`))
		if must("session", err); string(s) != `{"a":1}` {
			t.Errorf("session: %s", s)
		}
	}
	st, err := n.ClusterStats(ctx)
	if must("stats", err); st.Connections != 6 || st.Dropped["slow"] != 3 {
		t.Errorf("stats: %d connections, dropped %v", st.Connections, st.Dropped)
	}
	u, err := n.Unbind(ctx, ids[1][0])
	if must("unbind", err); u.PreviousUID != "u0" {
		t.Errorf("unbind: %+v", u)
	}
	k, err = n.UnbindUIDs(ctx, []string{"u0"})
	if must("unbind uids", err); k != 2 {
		t.Errorf("unbind uids: %d", k)
	}
	k, err = n.Kick(ctx, gateway.Kick{To: gateway.Targets{All: true}, ExcludeClientIDs: []string{ids[0][0], ids[2][0]}})
	if must("kick", err); k != 4 {
		t.Errorf("kick: %d", k)
	}
	for _, id := range []string{ids[1][0], "nobody", strings.Repeat("0", 32)} {
		if _, err := n.Bind(ctx, gateway.Bind{ClientID: id, UID: "u"}); !isUnknown(err) {
			t.Errorf("bind of %s: %v", id, err)
		}
	}
}

// Whatever node is asked, it tells what all remember of a uid and of a client, and which
// node is missing.
func TestExplainOfAllNodes(t *testing.T) {
	w, ids := ready(t, 9, 3, 2)
	w.do(w.procs[0], func(ctx context.Context) {
		n := w.procs[0].node
		for i := range ids {
			if _, err := n.Bind(ctx, gateway.Bind{ClientID: ids[i][0], UID: "ann"}); err != nil {
				t.Error(err)
			}
		}
		if k, err := n.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{ids[1][0], ids[2][0]}}, Code: 3000}); err != nil || k != 2 {
			t.Errorf("kick: %d, %v", k, err)
		}
		for _, p := range w.procs[:2] { // two nodes are asked for what nobody gets, one for what ann gets
			for _, uid := range []string{"bob", "ann"} {
				if _, err := p.node.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{uid}}}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	explain := func(entry int, q gateway.Explain) (x gateway.Explanation, err error) {
		w.do(w.procs[entry], func(ctx context.Context) { x, err = w.procs[entry].node.Explain(ctx, q) })
		return x, err
	}
	for entry := range w.procs {
		x, err := explain(entry, gateway.Explain{UID: "ann"})
		var at []uint16
		for _, e := range x.Ends {
			at = append(at, e.Node)
		}
		slices.Sort(at)
		if err != nil || !slices.Equal(at, []uint16{2, 3}) || !slices.Equal(x.Connected, []string{ids[0][0]}) || len(x.Misses) != 0 ||
			x.Node != uint16(entry+1) || x.Since.Unix() != 3 {
			t.Errorf("ann, asked of node %d: %+v, %v", entry+1, x, err)
		}
		x, err = explain(entry, gateway.Explain{ClientID: ids[2][0]})
		if err != nil || len(x.Ends) != 1 || x.Ends[0].Node != 3 || x.Ends[0].UID != "ann" {
			t.Errorf("a client, asked of node %d: %+v, %v", entry+1, x, err)
		}
		if x, err = explain(entry, gateway.Explain{UID: "bob"}); err != nil || len(x.Misses) != 1 || x.Misses[0].Count != 2 {
			t.Errorf("bob, asked of node %d: %+v, %v", entry+1, x, err)
		}
	}
	w.crash(2)
	x, err := explain(0, gateway.Explain{UID: "ann"})
	if !lacksNodes(err, 3) || len(x.Ends) != 1 {
		t.Errorf("without node 3: %+v, %v", x, err)
	}
}

// A node that hangs leaves half of a listing's time to the nodes after it; a listing
// without an end has no turns.
func TestTurnsOfAListing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	end, _ := ctx.Deadline()
	first, done := turn(ctx)
	defer done()
	if till, ok := first.Deadline(); !ok || end.Sub(till) < 29*time.Minute || end.Sub(till) > 31*time.Minute {
		t.Errorf("a node that hangs leaves %v of an hour", end.Sub(till))
	}
	endless, done := turn(context.Background())
	defer done()
	if _, ok := endless.Deadline(); ok {
		t.Error("an end out of nowhere")
	}
}

// Listings page through all nodes with one cursor, each row once.
func TestListingsOfAllNodes(t *testing.T) {
	w, ids := ready(t, 5, 3, 7)
	for i, p := range w.procs {
		for j, id := range ids[i] { // some names are on one node, some on all
			_, _ = p.local.Bind(context.Background(), gateway.Bind{ClientID: id, UID: fmt.Sprintf("u%d", j*(i%2)+j), Groups: []string{"g", fmt.Sprintf("g%d", i)}})
		}
	}
	n := w.procs[1].node
	w.do(w.procs[1], func(ctx context.Context) {
		for _, limit := range []int{1, 2, 5, 100} {
			clients := pages(t, limit, func(q gateway.List) (gateway.Page[gateway.ClientInfo], error) { return n.Clients(ctx, q) })
			seen := map[string]bool{}
			for _, c := range clients {
				seen[c.ClientID] = true
			}
			if len(clients) != 21 || len(seen) != 21 {
				t.Errorf("limit %d: %d clients, %d of them different", limit, len(clients), len(seen))
			}
			for what, list := range map[string]func(context.Context, gateway.List) (gateway.Page[gateway.NameCount], error){"uids": n.UIDs, "groups": n.Groups} {
				for _, group := range []string{"", "g", "g1"} {
					checkNames(t, what, group, limit, pages(t, limit, func(q gateway.List) (gateway.Page[gateway.NameCount], error) {
						q.Group = group
						return list(ctx, q)
					}), w)
				}
			}
		}
		if _, err := n.Clients(ctx, gateway.List{Cursor: "nonsense"}); !errors.Is(err, &gateway.Error{Code: gateway.CodeInvalidCursor}) {
			t.Error(err)
		}
	})
}

func pages[T any](t *testing.T, limit int, list func(gateway.List) (gateway.Page[T], error)) (rows []T) {
	t.Helper()
	q := gateway.List{Limit: limit}
	for range 100 {
		p, err := list(q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Rows) > limit {
			t.Errorf("%d rows where %d were asked for", len(p.Rows), limit)
		}
		rows = append(rows, p.Rows...)
		if q.Cursor = p.Next; q.Cursor == "" {
			return rows
		}
	}
	t.Fatal("the listing has no end")
	return nil
}

// checkNames holds a listing against what is there.
func checkNames(t *testing.T, what, group string, limit int, rows []gateway.NameCount, w *world) {
	t.Helper()
	want, wanted := map[string]int{}, map[string]bool{}
	for _, p := range w.procs {
		for _, c := range p.local.order {
			names := c.groups
			if what == "uids" {
				names = []string{c.uid}
			}
			for _, name := range names {
				want[name]++
				wanted[name] = wanted[name] || group == "" || slices.Contains(c.groups, group)
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.Name] || !wanted[r.Name] || r.Clients != want[r.Name] {
			t.Errorf("%s of group %q, limit %d: %+v, want %d, again %v", what, group, limit, r, want[r.Name], seen[r.Name])
		}
		seen[r.Name] = true
	}
	for name, ok := range wanted {
		if ok && !seen[name] {
			t.Errorf("%s of group %q, limit %d: %s is missing", what, group, limit, name)
		}
	}
}

// An exclusive bind closes the uid's other connections, wherever they are, with 4001.
func TestExclusiveBind(t *testing.T) {
	w, ids := ready(t, 9, 3, 1)
	for _, list := range ids {
		w.do(w.procs[0], func(ctx context.Context) {
			if _, err := w.procs[0].node.Bind(ctx, gateway.Bind{ClientID: list[0], UID: "x"}); err != nil {
				t.Fatal(err)
			}
		})
	}
	w.do(w.procs[2], func(ctx context.Context) {
		r, err := w.procs[2].node.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: "x", KickOld: true})
		if err != nil || r.Kicked != 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	for _, c := range w.history.closes {
		if c.code != replacedCode || c.client == ids[1][0] {
			t.Errorf("%+v was closed", c)
		}
	}
	if len(w.history.closes) != 2 {
		t.Errorf("%d clients were closed", len(w.history.closes))
	}
}
