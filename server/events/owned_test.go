package events

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// fakeCluster is nodes with events that know each other. It counts their clients.
type fakeCluster struct {
	mu     sync.Mutex
	nodes  []*Events // nil: it is not there
	counts []map[string]int
	deaf   bool // answers to Tell do not arrive
}

// member is a node's side of it.
type member struct {
	*fakeCluster
	index int
}

func (c *fakeCluster) owner(uid string) int {
	best, highest := -1, uint64(0)
	for i := range c.nodes {
		if w := mix(uidKey(uid) ^ uint64(i+1)<<40); c.nodes[i] != nil && w >= highest {
			best, highest = i, w
		}
	}
	return best
}

func (m member) WatchUIDs(w gateway.UIDWatcher) { m.nodes[m.index] = w.(*Events) }

func (m member) Mine(uid string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owner(uid) == m.index
}

func (m member) Tell(_ context.Context, looks []gateway.UIDLook) (untold []gateway.UIDLook) {
	for _, look := range looks {
		m.mu.Lock()
		i := m.owner(look.UID)
		to, deaf := m.nodes[max(0, i)], m.deaf
		m.mu.Unlock()
		if i < 0 || i == m.index {
			untold = append(untold, look)
			continue
		}
		if to.Look([]gateway.UIDLook{look}); deaf {
			untold = append(untold, look)
		}
	}
	return untold
}

func (m member) Counts(_ context.Context, q gateway.Counts) (r gateway.CountsResult, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, uid := range q.UIDs {
		n := 0
		for i, counts := range m.counts {
			if m.nodes[i] != nil {
				n += counts[uid]
			}
		}
		r.UIDs = append(r.UIDs, n)
	}
	return r, nil
}

// connects has a client of a uid come to a node or leave it.
func (c *fakeCluster) connects(node, n int, uid string, more int) {
	c.mu.Lock()
	c.counts[node][uid] += more
	e := c.nodes[node]
	c.mu.Unlock()
	w := client(n)
	w.UID = uid
	if more > 0 {
		e.Connected(w, nil)
	} else {
		e.Disconnected(w, &gateway.End{})
	}
}

// leaves takes a node out. The others are told, and one of them says that it is lost.
func (c *fakeCluster) leaves(node int) {
	c.mu.Lock()
	gone := c.nodes[node]
	c.nodes[node] = nil
	nodes := append([]*Events(nil), c.nodes...)
	c.mu.Unlock()
	lost := []gateway.LostNode{{Node: uint16(node), Instance: gone.run}}
	for _, e := range nodes {
		if e != nil {
			e.MembersChanged(lost, false)
			lost = nil
		}
	}
}

// threeNodes starts a cluster that tells a backend.
func threeNodes(t *testing.T, b *backend) *fakeCluster {
	t.Helper()
	c := &fakeCluster{nodes: make([]*Events, 3)}
	for i := range c.nodes {
		c.counts = append(c.counts, map[string]int{})
		config := config(b.url)
		config.Types, config.Node, config.Instance, config.OfflineAfter = 1<<Disconnected|1<<UIDOnline|1<<UIDOffline, uint16(i), uint64(100+i), time.Millisecond
		e, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		e.Join(member{c, i})
		e.Start()
		t.Cleanup(func() { end(t, e) })
	}
	return c
}

// A uid is said once in a cluster, whatever node its clients are of and whichever
// says it: when its first comes, and when its last has gone.
func TestUIDsOfACluster(t *testing.T) {
	b := newBackend(t)
	c := threeNodes(t, b)
	const uids = 60
	uid := func(n int) string { return fmt.Sprint("u", n) }
	said := func(typ Type) (uidsSaid, events int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		set := map[string]bool{}
		for _, ev := range b.got {
			if ev.Type == typ.String() {
				set[ev.Subject] = true
				events++
			}
		}
		return len(set), events
	}
	saidOnce := func(typ Type, n int) {
		t.Helper()
		until(t, "all that is to be said is said", func() bool { all, _ := said(typ); return all >= n })
		until(t, "the nodes are done", func() bool {
			for _, e := range c.nodes {
				if e != nil && (e.looks.busy() || e.inbox.waiting() > 0 || e.journal.writing.Load()) {
					return false
				}
			}
			return true
		})
		if all, events := said(typ); all != n || events != n {
			t.Errorf("%s: of %d uids in %d events, want %d", typ, all, events, n)
		}
	}
	for n := range uids { // each on two nodes
		c.connects(n%3, n+1, uid(n), 1)
		c.connects((n+1)%3, n+1, uid(n), 1)
	}
	saidOnce(UIDOnline, uids)
	for n := range uids { // each leaves one
		c.connects(n%3, n+1, uid(n), -1)
	}
	saidOnce(UIDOffline, 0)
	// Node 1 is lost. Of the uids that were there only, those are said to be offline that
	// it had not to say it of itself; for the others, its own event stands.
	offline := 0
	for n := range uids {
		if (n+1)%3 == 1 && c.owner(uid(n)) != 1 {
			offline++
		}
	}
	c.leaves(1)
	saidOnce(UIDOffline, offline)
	if _, events := said(NodeLost); events != 1 {
		t.Errorf("the node is told to be lost %d times, want once", events)
	}
	for n := range uids { // whoever says it now
		if (n+1)%3 != 1 {
			c.connects((n+1)%3, n+1, uid(n), -1)
			offline++
		}
	}
	saidOnce(UIDOffline, offline)
	if all, events := said(UIDOnline); all != uids || events != uids {
		t.Errorf("%d uids are said to be online in %d events, want %d", all, events, uids)
	}
}

// What a process before has told is not told again by the next one: uids that have
// clients elsewhere stay online, the others go offline.
func TestUIDsAfterARestart(t *testing.T) {
	b := newBackend(t)
	c := &fakeCluster{nodes: make([]*Events, 2), counts: []map[string]int{{}, {}}}
	configs := make([]Config, 2)
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
	const uids = 20
	for n := range uids {
		c.connects(0, n+1, fmt.Sprint("u", n), 1)
		if n%2 == 0 {
			c.connects(1, n+1, fmt.Sprint("u", n), 1)
		}
	}
	b.await(uids)
	configs[0].Dir = crashed(t, configs[0].Dir)
	c.mu.Lock()
	before := c.nodes[0]
	c.counts[0] = map[string]int{}
	c.mu.Unlock()
	end(t, before)
	open(0)
	c.nodes[1].MembersChanged(nil, false)
	got := b.await(uids + uids/2)
	until(t, "the nodes are done", func() bool { return !c.nodes[0].looks.busy() && !c.nodes[1].looks.busy() })
	online, offline := 0, 0
	for _, ev := range got {
		switch ev.Type {
		case UIDOnline.String():
			online++
		case UIDOffline.String():
			offline++
		}
	}
	if online != uids || offline != uids/2 || len(b.await(1)) != len(got) {
		t.Errorf("%d online, %d offline, want %d and %d", online, offline, uids, uids/2)
	}
}
