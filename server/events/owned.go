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
	waiting map[string]gateway.UIDLook // by uid
	taken   int                        // how many are being looked at
	found   []finding
	all     bool // members have come or gone: look at every uid that is known
	lost    []gateway.LostNode
	back    bool
}

// finding is what was found out about a uid.
type finding struct {
	gateway.UIDLook
	what finds
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
	e.looks = &looks{cluster: c, wake: make(chan struct{}, 1), waiting: map[string]gateway.UIDLook{}}
	c.WatchUIDs(e)
}

var _ gateway.UIDWatcher = (*Events)(nil)

// Look implements gateway.UIDWatcher.
func (e *Events) Look(list []gateway.UIDLook) {
	if e.journal.present == nil {
		return // nobody is told of uids here
	}
	for _, look := range list {
		e.looks.ask(look, false)
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

// ask has a uid looked at. own: it is this node's clients that have changed, so that a
// stamp which waits to be told stands for nobody any more.
func (l *looks) ask(look gateway.UIDLook, own bool) {
	l.mu.Lock()
	before := l.waiting[look.UID]
	look.Known = look.Known || before.Known
	if look.Stamp == 0 && !own {
		look.Stamp = before.Stamp
	}
	l.waiting[look.UID] = look
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
func (l *looks) take() map[string]gateway.UIDLook {
	l.mu.Lock()
	defer l.mu.Unlock()
	some := map[string]gateway.UIDLook{}
	for uid, look := range l.waiting {
		if len(some) == lookBatch {
			break
		}
		some[uid] = look
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
			delete(some, f.UID)
		}
		for uid, look := range some { // the rest could not be found out
			later, again := l.waiting[uid]
			if again {
				look.Known, look.Stamp = look.Known || later.Known, later.Stamp
			}
			l.waiting[uid] = look
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
func (l *looks) look(ctx context.Context, some map[string]gateway.UIDLook) (found []finding) {
	var mine []string
	var others []gateway.UIDLook
	for uid, look := range some {
		if l.cluster.Mine(uid) {
			mine = append(mine, uid)
		} else {
			others = append(others, look)
		}
	}
	if len(others) > 0 {
		untold := map[string]bool{}
		for _, look := range l.cluster.Tell(ctx, others) {
			untold[look.UID] = true
		}
		for _, look := range others {
			if !untold[look.UID] {
				found = append(found, finding{look, passed})
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
			found = append(found, finding{some[uid], here})
		case err == nil: // of an answer that is incomplete, nothing follows
			found = append(found, finding{some[uid], absent})
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
	if !all {
		return
	}
	for uid, u := range j.present.uids {
		if back && u.clients > 0 {
			j.sayAgain(uid, u, at)
		}
		l.ask(u.look(uid), true)
	}
}

// sayAgain has a uid said to be online as something new, if nobody says so now: while
// this node was out of the cluster, others may have said that it is offline.
func (j *journal) sayAgain(uid string, u *presentUID, at int64) {
	if u.number > 0 {
		j.uidRecord(kindHidden, UIDOffline, uid, at, u.stamp)
	}
	u.number, u.leaves, u.passed, u.due = 0, 0, false, false
	u.first = j.stamp(at)
}

// look is what this node knows of a uid.
func (u *presentUID) look(uid string) gateway.UIDLook {
	look := gateway.UIDLook{UID: uid, Known: u.number > 0 || u.passed, Stamp: u.first}
	if u.number > 0 {
		look.Stamp = u.stamp
	}
	return look
}

// stamp makes a stamp that is later than those of before, and no other node's.
func (j *journal) stamp(at int64) uint64 {
	const millisecond = 1000
	j.stamps++
	return uint64(at/millisecond)<<20 | mix(j.events.run^mix(j.stamps))>>44
}

// foundOut acts on what was found out about a uid.
func (j *journal) foundOut(f finding, at int64) {
	p := j.present
	u := p.uids[f.UID]
	if f.what == passed {
		if u == nil {
			return
		}
		if u.passed = true; u.number > 0 { // its owner goes on from here
			j.uidRecord(kindHidden, UIDOffline, f.UID, at, u.stamp)
			u.number, u.leaves = 0, 0
		}
		p.dropIdle(f.UID, u)
		return
	}
	if u == nil {
		u = &presentUID{}
		p.uids[f.UID] = u
	}
	if u.number == 0 {
		if u.stamp = f.Stamp; u.stamp == 0 {
			u.stamp = j.stamp(at)
		}
		if f.Known { // another node has said it
			u.number = j.uidRecord(kindHidden, UIDOnline, f.UID, at, u.stamp)
		}
	}
	u.passed = false
	switch {
	case f.what == here && u.number == 0:
		u.number = j.uidEvent(UIDOnline, f.UID, at, u.stamp)
		u.leaves, u.due = 0, false
	case f.what == here:
		u.leaves, u.due = 0, false
	case u.number > 0 && u.due:
		j.uidEvent(UIDOffline, f.UID, at, u.stamp)
		u.number, u.leaves, u.due = 0, 0, false
	case u.number > 0 && u.leaves == 0:
		p.leave(f.UID, u, j.events.steady())
	}
	p.dropIdle(f.UID, u)
}

// nodeEvent adds an event of a node.
func (j *journal) nodeEvent(t Type, n gateway.LostNode, at int64) {
	h := header{kind: t, lane: laneOf(n.Instance), instance: j.events.run, key: n.Instance, at: at}
	id := eventName{number: j.number()}
	if n.Stamp != 0 {
		id.text = sharedID(t, instanceText(n.Instance), n.Stamp)
	}
	j.event(kindEvent, &h, j.encoder.node(t, id, at, n))
	j.events.count.happened[t].Add(1)
}
