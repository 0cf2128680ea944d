package events

import (
	"encoding/json"
	"time"
)

// presence says which uids are online: from the first connection of a uid to a
// while after the last, so that the reload of a page is no news. The journal's
// goroutine has it.
type presence struct {
	after time.Duration
	uids  map[string]*presentUID
	due   []departure // in the order of their times
}

type presentUID struct {
	clients int
	number  uint64 // of the record that says it is online; 0: that was not said
	leaves  int64  // Unix time in microseconds at which it goes offline; 0: it does not
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
func (p *presence) remember(uid string, number uint64, now int64) {
	u := &presentUID{number: number}
	p.uids[uid] = u
	p.leave(uid, u, now)
}

// gone returns the next uid that is offline by now.
func (p *presence) gone(now int64) (uid string, ok bool) {
	for len(p.due) > 0 && p.due[0].at <= now {
		d := p.due[0]
		p.due[0] = departure{}
		if p.due = p.due[1:]; len(p.due) == 0 {
			p.due = nil
		}
		if u := p.uids[d.uid]; u != nil && u.clients == 0 && u.leaves == d.at {
			delete(p.uids, d.uid)
			if u.number > 0 {
				return d.uid, true
			}
		}
	}
	return "", false
}

// next is when gone may have another one; ok is false if nobody leaves.
func (p *presence) next() (at int64, ok bool) {
	if len(p.due) == 0 {
		return 0, false
	}
	return p.due[0].at, true
}

// uidOf reads the uid of a uid's event.
func uidOf(body []byte) string {
	var e struct {
		Subject string `json:"subject"`
	}
	_ = json.Unmarshal(body, &e)
	return e.Subject
}
