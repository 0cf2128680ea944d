package events

import (
	"context"
	"sync"
	"time"

	"castgate/server/gateway"
)

// In a cluster, one node says of a uid that it is online or offline: its owner, whom
// the cluster chooses. The others tell the owner when their first client of the uid
// has come or their last has gone, and it counts all of them. It asks again before it
// says offline, and whenever members come or go; so what is told twice or late does no
// harm.

// looks are the uids that have yet to be looked at: by this node if they are its own,
// or else by their owner, who is told.
type looks struct {
	cluster gateway.UIDCluster
	wake    chan struct{} // capacity 1

	mu      sync.Mutex
	waiting map[string]bool // by uid: it was said to be online before
	taken   int             // how many are being looked at
	found   []finding
	all     bool // members have come or gone: look at every uid that is known
	lost    []gateway.LostNode
	back    bool
}

// finding is what was found out about a uid.
type finding struct {
	uid   string
	known bool // see looks.waiting
	what  finds
}

type finds uint8

const (
	here   finds = iota // it has clients somewhere
	absent              // it has none
	passed              // its owner was told of it
)

const (
	// lookBatch is how many uids are asked about at once.
	lookBatch = 1000
	// lookPause is how long to wait where something could not be found out.
	lookPause = 200 * time.Millisecond
)

// Join has uids said once in a cluster. Call it before Start.
func (e *Events) Join(c gateway.UIDCluster) {
	e.looks = &looks{cluster: c, wake: make(chan struct{}, 1), waiting: map[string]bool{}}
	c.WatchUIDs(e)
}

var _ gateway.UIDWatcher = (*Events)(nil)

// Look implements gateway.UIDWatcher.
func (e *Events) Look(uids []string, known bool) {
	if e.journal.present == nil {
		return // nobody is told of uids here
	}
	for _, uid := range uids {
		e.looks.ask(uid, known)
	}
}

// MembersChanged implements gateway.UIDWatcher.
func (e *Events) MembersChanged(lost []gateway.LostNode, back bool) {
	l := e.looks
	l.mu.Lock()
	l.all = true
	l.lost = append(l.lost, lost...)
	l.back = l.back || back
	l.mu.Unlock()
	e.inbox.ring()
}

// ask has a uid looked at.
func (l *looks) ask(uid string, known bool) {
	l.mu.Lock()
	l.waiting[uid] = l.waiting[uid] || known
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// busy tells whether something is left to do.
func (l *looks) busy() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)+l.taken+len(l.found) > 0 || l.all
}

// take returns some that wait.
func (l *looks) take() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	some := map[string]bool{}
	for uid, known := range l.waiting {
		if len(some) == lookBatch {
			break
		}
		some[uid] = known
		delete(l.waiting, uid)
	}
	l.taken = len(some)
	return some
}

// run looks at uids until ctx is done. ring is called when something was found.
func (l *looks) run(ctx context.Context, ring func()) {
	for {
		some := l.take()
		if len(some) == 0 {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		found := l.look(ctx, some)
		l.mu.Lock()
		for _, f := range found {
			delete(some, f.uid)
		}
		for uid, known := range some { // the rest could not be found out
			l.waiting[uid] = l.waiting[uid] || known
		}
		l.found = append(l.found, found...)
		l.taken = 0
		l.mu.Unlock()
		ring()
		if len(some) > 0 && !sleep(ctx, lookPause) {
			return
		}
	}
}

// look finds out what it can.
func (l *looks) look(ctx context.Context, some map[string]bool) (found []finding) {
	var mine []string
	others := map[bool][]string{}
	for uid, known := range some {
		if l.cluster.Mine(uid) {
			mine = append(mine, uid)
		} else {
			others[known] = append(others[known], uid)
		}
	}
	for known, list := range others {
		untold := map[string]bool{}
		for _, uid := range l.cluster.Tell(ctx, list, known) {
			untold[uid] = true
		}
		for _, uid := range list {
			if !untold[uid] {
				found = append(found, finding{uid, known, passed})
			}
		}
	}
	if len(mine) == 0 {
		return found
	}
	counts, err := l.cluster.Counts(ctx, gateway.Counts{UIDs: mine})
	if len(counts.UIDs) != len(mine) {
		return found
	}
	for i, uid := range mine {
		switch {
		case counts.UIDs[i] > 0:
			found = append(found, finding{uid, some[uid], here})
		case err == nil: // of an answer that is incomplete, nothing follows
			found = append(found, finding{uid, some[uid], absent})
		}
	}
	return found
}

// news takes what was found out, and what has become of the members.
func (l *looks) news() (found []finding, all, back bool, lost []gateway.LostNode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, all, back, lost = l.found, l.all, l.back, l.lost
	l.found, l.all, l.back, l.lost = nil, false, false, nil
	return found, all, back, lost
}

// clusterNews writes what the cluster has to say.
func (j *journal) clusterNews(now time.Time) {
	l := j.events.looks
	if l == nil {
		return
	}
	found, all, back, lost := l.news()
	at := now.UnixMicro()
	if j.events.config.Types.Has(Disconnected) {
		for _, n := range lost {
			j.nodeEvent(NodeLost, n, at)
		}
		if back {
			j.nodeEvent(NodeBack, gateway.LostNode{Node: j.events.config.Node, Instance: j.events.run}, at)
		}
	}
	if j.present == nil {
		return
	}
	for _, f := range found {
		j.foundOut(f, at)
	}
	if all {
		for uid, u := range j.present.uids {
			l.ask(uid, u.number > 0 || u.passed)
		}
	}
}

// foundOut acts on what was found out about a uid.
func (j *journal) foundOut(f finding, at int64) {
	p := j.present
	u := p.uids[f.uid]
	if f.what == passed {
		if u == nil {
			return
		}
		if u.passed = true; u.number > 0 { // its owner goes on from here
			j.hiddenUID(UIDOffline, f.uid, at)
			u.number, u.leaves = 0, 0
		}
		p.dropIdle(f.uid, u)
		return
	}
	if u == nil {
		u = &presentUID{}
		p.uids[f.uid] = u
	}
	if u.number == 0 && f.known {
		u.number = j.hiddenUID(UIDOnline, f.uid, at)
	}
	u.passed = false
	switch {
	case f.what == here && u.number == 0:
		u.number = j.uidEvent(UIDOnline, f.uid, at)
		u.leaves, u.due = 0, false
	case f.what == here:
		u.leaves, u.due = 0, false
	case u.number > 0 && u.due:
		j.uidEvent(UIDOffline, f.uid, at)
		u.number, u.leaves, u.due = 0, 0, false
	case u.number > 0 && u.leaves == 0:
		p.leave(f.uid, u, at)
	}
	p.dropIdle(f.uid, u)
}

// hiddenUID takes down what is not told, since another node has told it or will.
func (j *journal) hiddenUID(t Type, uid string, at int64) (number uint64) {
	number = j.number()
	key := uidKey(uid)
	h := header{kind: t, lane: laneOf(key), instance: j.events.run, key: key, at: at}
	j.event(kindHidden, &h, j.encoder.uid(t, number, at, uid))
	return number
}

// nodeEvent adds an event of a node.
func (j *journal) nodeEvent(t Type, n gateway.LostNode, at int64) {
	h := header{kind: t, lane: laneOf(n.Instance), instance: j.events.run, key: n.Instance, at: at}
	j.event(kindEvent, &h, j.encoder.node(t, j.number(), at, n))
	j.events.count.happened[t].Add(1)
}
