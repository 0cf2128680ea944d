package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// A node has joined only when it has heard all members and they have heard it: its first
// answer is complete. It does not wait for more than two leases.
func TestJoinedHearsAll(t *testing.T) {
	w, _ := ready(t, 3, 3, 1)
	late := w.startWith([]Keys{w.keys})
	w.net.Cut(late.host, w.procs[1].host, true)
	for !late.node.met {
		w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
	}
	if late.node.Joined() {
		t.Error("has joined before it has heard node 2")
	}
	w.net.Cut(late.host, w.procs[1].host, false)
	for !late.node.Joined() {
		w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
	}
	w.do(late, func(ctx context.Context) {
		if err := push(ctx, late.node); err != nil {
			t.Error("the first answer:", err)
		}
	})
	another := w.startWith([]Keys{w.keys})
	w.net.Cut(another.host, w.procs[2].host, true)
	for !another.node.met {
		w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease + time.Second)
	if !another.node.Joined() {
		t.Error("waits for a node that it cannot hear")
	}
}

// A listing whose node has left in the middle of its rows is incomplete.
func TestListingOfNodeThatLeaves(t *testing.T) {
	w, _ := ready(t, 3, 3, 4)
	n := w.procs[0].node
	var first gateway.Page[gateway.ClientInfo]
	w.do(w.procs[0], func(ctx context.Context) {
		page, err := n.Clients(ctx, gateway.List{Limit: 10})
		if err != nil || len(page.Rows) != 10 || page.Next == "" {
			t.Fatalf("%d rows, next %q, %v", len(page.Rows), page.Next, err)
		}
		first = page
	})
	w.crash(2)
	for slices.ContainsFunc(n.view.Members, func(m message.Member) bool { return m.Node == 3 }) || !n.holdsLease() {
		w.sim.Run(time.Duration(w.sim.Now()) + 10*time.Millisecond)
	}
	w.do(w.procs[0], func(ctx context.Context) {
		page, err := n.Clients(ctx, gateway.List{Limit: 10, Cursor: first.Next})
		if !lacksNodes(err, 3) || len(page.Rows) != 0 {
			t.Errorf("%d rows, %v", len(page.Rows), err)
		}
		if _, err := n.Clients(ctx, gateway.List{Limit: 10}); err != nil {
			t.Errorf("a listing that begins later: %v", err)
		}
	})
}
