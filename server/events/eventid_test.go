package events

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"castgate/server/gateway"
)

// uidOwnedBy returns a uid that a node of a cluster says the presence of, and that the
// next one says after it.
func (c *fakeCluster) uidOwnedBy(node, next int) string {
	for n := 0; ; n++ {
		uid := fmt.Sprint("owned", n)
		c.mu.Lock()
		first := c.owner(uid)
		was := c.nodes[node]
		c.nodes[node] = nil
		second := c.owner(uid)
		c.nodes[node] = was
		c.mu.Unlock()
		if first == node && second == next {
			return uid
		}
	}
}

// twice waits until an event of a uid has come twice, by the same id.
func (b *backend) twice(t *testing.T, typ Type, uid string) {
	t.Helper()
	until(t, typ.String()+" comes twice", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, ev := range b.got {
			if ev.Type == typ.String() && ev.Subject == uid && b.byID[ev.ID] > 1 {
				return true
			}
		}
		return false
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := map[string]bool{}
	for _, ev := range b.got {
		if ev.Type == typ.String() && ev.Subject == uid {
			ids[ev.ID] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("%s of %s has the ids %v, want one", typ, uid, ids)
	}
}

// Who does not hear that the owner of a uid has been told tells the next owner as well:
// both say that the uid is online, by the same id.
func TestSameIDFromTwoOwners(t *testing.T) {
	b := newBackend(t)
	c := threeNodes(t, b)
	uid := c.uidOwnedBy(0, 2)
	c.mu.Lock()
	c.deaf = true
	c.mu.Unlock()
	c.connects(1, 1, uid, 1)
	b.await(1)
	c.mu.Lock()
	c.nodes[0] = nil // it has told the backend, and nobody else
	c.mu.Unlock()
	for _, i := range []int{1, 2} {
		c.nodes[i].MembersChanged(nil, false)
	}
	b.twice(t, UIDOnline, uid)
	c.mu.Lock()
	c.deaf = false
	c.mu.Unlock()
	c.connects(1, 1, uid, -1)
	got := b.await(3) // and the disconnected event
	for _, ev := range got {
		if ev.Type == UIDOffline.String() && ev.ID == got[0].ID {
			t.Error("another event has the same id")
		}
	}
}

// A node that is started again says the end of what it had said, by the id by which the
// node that took over has said it.
func TestSameIDAfterARestart(t *testing.T) {
	b := newBackend(t)
	c := &fakeCluster{nodes: make([]*Events, 3), counts: []map[string]int{{}, {}, {}}}
	configs := make([]Config, 3)
	open := func(i int) {
		e, err := New(configs[i])
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		e.Join(member{c, i})
		c.mu.Unlock()
		e.Start()
		t.Cleanup(func() { end(t, e) })
	}
	for i := range configs {
		configs[i] = config(b.url)
		configs[i].Types, configs[i].OfflineAfter, configs[i].Dir = 1<<UIDOnline|1<<UIDOffline, time.Millisecond, filepath.Join(t.TempDir(), "events")
		open(i)
	}
	uid := c.uidOwnedBy(0, 2)
	c.connects(1, 1, uid, 1)
	b.await(1)
	until(t, "the owner is told", func() bool { return !c.nodes[1].looks.busy() })
	configs[0].Dir = crashed(t, configs[0].Dir)
	before := c.nodes[0]
	c.leaves(0)
	end(t, before)
	until(t, "another node has taken over", func() bool { return !c.nodes[1].looks.busy() && !c.nodes[2].looks.busy() })
	c.connects(1, 1, uid, -1)
	got := b.await(2)
	if got[1].Type != UIDOffline.String() {
		t.Fatalf("%+v", got[1])
	}
	open(0)
	b.twice(t, UIDOffline, uid)
	c.connects(1, 1, uid, 1)
	if got = b.await(3); got[2].Type != UIDOnline.String() || got[2].ID == got[0].ID {
		t.Errorf("%+v after %+v", got[2], got[0])
	}
}

// A node that was out of the cluster may have been said to be without its uids; they
// come back as something new. The loss of a process has the same id from all.
func TestNewIDsAfterAPartition(t *testing.T) {
	b := newBackend(t)
	c := threeNodes(t, b)
	uid := c.uidOwnedBy(0, 2)
	c.connects(1, 1, uid, 1)
	b.await(1)
	until(t, "the owner is told", func() bool { return !c.nodes[1].looks.busy() })
	c.mu.Lock()
	cut := c.nodes[1]
	c.nodes[1] = nil
	c.mu.Unlock()
	lost := []gateway.LostNode{{Node: 1, Instance: cut.run, Stamp: 77}}
	c.nodes[0].MembersChanged(lost, false)
	c.nodes[2].MembersChanged(lost, false) // both think that it is theirs to tell
	b.await(3)
	until(t, "both have told", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, ev := range b.got {
			if ev.Type == NodeLost.String() && b.byID[ev.ID] == 2 {
				return true
			}
		}
		return false
	})
	c.mu.Lock()
	c.nodes[1] = cut
	c.mu.Unlock()
	for _, e := range c.nodes {
		e.MembersChanged(nil, e == cut)
	}
	got := b.await(5) // online, offline and lost, then back and online
	types, ids := map[string]int{}, map[string]bool{}
	for _, ev := range got {
		types[ev.Type]++
		ids[ev.ID] = true
	}
	if len(ids) != 5 || types[UIDOnline.String()] != 2 || types[UIDOffline.String()] != 1 || types[NodeLost.String()] != 1 || types[NodeBack.String()] != 1 {
		t.Errorf("%v, %d ids", types, len(ids))
	}
}

// An event is found by a shared id as by any other, also if that id was never given to
// who asks.
func TestFeedBySharedID(t *testing.T) {
	b := newBackend(t)
	c := threeNodes(t, b)
	uid := c.uidOwnedBy(0, 2)
	c.connects(1, 1, uid, 1)
	id := b.await(1)[0].ID
	owner := c.nodes[0]
	for range 2 {
		page, err := owner.Events(t.Context(), gateway.EventQuery{After: id})
		if err != nil || len(page.Events) != 0 || page.Last != id {
			t.Errorf("%+v, %v", page, err)
		}
		owner.shared = sharedIDs{}
	}
	if page, err := owner.Events(t.Context(), gateway.EventQuery{}); err != nil || len(page.Events) != 1 || owner.shared.find(id) == 0 {
		t.Errorf("%+v, %v", page, err)
	}
	gone := sharedID(UIDOnline, "nobody", 1)
	if _, err := owner.Events(t.Context(), gateway.EventQuery{After: gone}); !errors.Is(err, &gateway.Error{Code: gateway.CodeEventGone}) {
		t.Error(err)
	}
	for n := range uint64(2 * mostShared) {
		owner.shared.note(sharedID(UIDOnline, "x", n+1), n+1)
	}
	if n := len(owner.shared.number); n != mostShared || len(owner.shared.oldest) != mostShared {
		t.Errorf("%d ids are remembered, want %d", n, mostShared)
	}
	for _, text := range []string{"", "x", "shared-", "shared-zz-1", "0123-5"} {
		if s := stampOf(text); s != 0 {
			t.Errorf("%q has the stamp %d", text, s)
		}
	}
}
