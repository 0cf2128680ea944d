package events

import (
	"encoding/json"
	"math"
	"time"
)

// presence says which uids are online: from the first connection of a uid to a
// while after the last, so that the reload of a page is no news. Its times are those of
// Events.steady: nobody stays online for an hour because a clock is set back by one.
// The journal's goroutine has it.
type presence struct {
	after time.Duration
	uids  map[string]*presentUID
	due   []departure // in the order of their times
}

type presentUID struct {
	clients int
	number  uint64 // of the record that says it is online; 0: that was not said
	first   uint64 // stamp of the first of this node's clients
	stamp   uint64 // by which it is said here to be online and offline
	// Of a cluster: its owner is another node, which was told of it; it is to be said
	// offline, if it has no clients anywhere.
	passed, due bool
	leaves      int64 // when it goes offline; 0: it does not
}

type departure struct {
	uid string
	at  int64
}

func newPresence(after time.Duration) *presence {
	return &presence{after: after, uids: map[string]*presentUID{}}
}

// came counts a client of a uid. news: the uid is online from now on.
func (p *presence) came(uid string) (u *presentUID, news bool) {
	if u = p.uids[uid]; u == nil {
		u = &presentUID{}
		p.uids[uid] = u
	}
	u.clients++
	u.leaves = 0
	return u, u.number == 0
}

// left counts a client less.
func (p *presence) left(uid string, now int64) {
	u := p.uids[uid]
	if u == nil {
		return
	}
	if u.clients = max(0, u.clients-1); u.clients == 0 {
		p.leave(uid, u, now)
	}
}

func (p *presence) leave(uid string, u *presentUID, now int64) {
	u.leaves = now + p.after.Microseconds()
	p.due = append(p.due, departure{uid, u.leaves})
}

// remember takes over a uid that a process before has told online.
func (p *presence) remember(uid string, said saidOnline, now int64) {
	u := &presentUID{number: said.number, stamp: said.stamp}
	p.uids[uid] = u
	p.leave(uid, u, now)
}

// gone returns the next uid that is offline by now, and its stamp.
func (p *presence) gone(now int64) (uid string, stamp uint64, ok bool) {
	for len(p.due) > 0 && p.due[0].at <= now {
		d := p.due[0]
		p.due[0] = departure{}
		if p.due = p.due[1:]; len(p.due) == 0 {
			p.due = nil
		}
		if u := p.uids[d.uid]; u != nil && u.clients == 0 && u.leaves == d.at {
			delete(p.uids, d.uid)
			if u.number > 0 {
				return d.uid, u.stamp, true
			}
		}
	}
	return "", 0, false
}

// departing returns the next uid that is offline by now, unless a client of another
// node has it.
func (p *presence) departing(now int64) (uid string, ok bool) {
	for len(p.due) > 0 && p.due[0].at <= now {
		d := p.due[0]
		p.due[0] = departure{}
		if p.due = p.due[1:]; len(p.due) == 0 {
			p.due = nil
		}
		if u := p.uids[d.uid]; u != nil && u.leaves == d.at && u.number > 0 {
			u.due = true
			return d.uid, true
		}
	}
	return "", false
}

// count counts a client more or less of a uid. ask: it is the first one of this node,
// or was the last.
func (p *presence) count(uid string, more int) (u *presentUID, ask bool) {
	if u = p.uids[uid]; u == nil {
		u = &presentUID{}
		p.uids[uid] = u
	}
	u.clients = max(0, u.clients+more)
	return u, u.clients == 0 || u.clients == 1 && more > 0
}

// dropIdle forgets a uid of which there is nothing to know.
func (p *presence) dropIdle(uid string, u *presentUID) {
	if u.clients == 0 && u.number == 0 {
		delete(p.uids, uid)
	}
}

// next is when gone may have another one; ok is false if nobody leaves.
func (p *presence) next() (at int64, ok bool) {
	if len(p.due) == 0 {
		return 0, false
	}
	return p.due[0].at, true
}

// uidOf reads the uid of a uid's event, and the stamp by which it was said; 0 is none.
func uidOf(body []byte) (uid string, stamp uint64) {
	var e struct {
		ID      string `json:"id"`
		Subject string `json:"subject"`
	}
	_ = json.Unmarshal(body, &e)
	return e.Subject, stampOf(e.ID)
}

// presence counts the clients of uids.
func (j *journal) presence(h *happening) {
	came, left := "", ""
	switch h.kind {
	case Connected:
		came = h.uid
	case Bound:
		came, left = h.uid, h.previous
	case Unbound:
		left = h.previous
	case Disconnected:
		left = h.uid
	}
	if came == left {
		return
	}
	if l := j.events.looks; l != nil {
		for uid, more := range map[string]int{came: 1, left: -1} {
			if uid == "" {
				continue
			}
			if u, ask := j.present.count(uid, more); ask {
				if u.first = 0; u.clients > 0 {
					u.first = j.stamp(h.at)
				}
				l.ask(u.look(uid), true)
			}
		}
		return
	}
	if came != "" {
		if u, news := j.present.came(came); news {
			u.number = j.uidEvent(UIDOnline, came, h.at, 0)
		}
	}
	if left != "" {
		j.present.left(left, j.events.steady())
	}
}

// uidEvent adds an event of a uid, hidden if its type was not asked for.
func (j *journal) uidEvent(t Type, uid string, at int64, stamp uint64) (number uint64) {
	kind := byte(kindHidden)
	if j.events.config.Types.Has(t) {
		kind = kindEvent
		j.events.count.happened[t].Add(1)
	}
	return j.uidRecord(kind, t, uid, at, stamp)
}

// uidRecord adds a record of a uid. With a stamp it has the id that other nodes give it.
func (j *journal) uidRecord(kind byte, t Type, uid string, at int64, stamp uint64) (number uint64) {
	id := eventName{number: j.number()}
	if stamp != 0 {
		id.text = sharedID(t, uid, stamp)
	}
	key := uidKey(uid)
	h := header{kind: t, lane: laneOf(key), instance: j.events.run, key: key, at: at}
	j.event(kind, &h, j.encoder.uid(t, id, at, uid))
	return id.number
}

// offline says which uids have had no client for long enough.
func (j *journal) offline(now time.Time) {
	if j.present == nil {
		return
	}
	for l := j.events.looks; l != nil; {
		uid, ok := j.present.departing(j.events.steady())
		if !ok {
			return
		}
		l.ask(j.present.uids[uid].look(uid), true)
	}
	ending := j.events.ending.Load()
	for {
		at := j.events.steady()
		if ending {
			at = math.MaxInt64
		}
		uid, stamp, ok := j.present.gone(at)
		if !ok {
			return
		}
		j.uidEvent(UIDOffline, uid, now.UnixMicro(), stamp)
	}
}
