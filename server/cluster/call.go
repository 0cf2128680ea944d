package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/internal/clientid"
)

// caller asks other members, and gathers what they answer.
type caller struct {
	*filter
	ids     []*clientid.IDs // under each key
	parking parking

	// Guarded by mu.
	calls map[uint64]*call
	seq   uint64
}

func newCaller(c Config) (*caller, error) {
	n := &caller{filter: newFilter(c), calls: map[uint64]*call{}, parking: parkGoroutine}
	if c.PeerAddress.IsValid() {
		n.peerPrefix = clientid.PeerPrefix(c.PeerAddress)
	}
	for _, k := range c.Keys {
		ids, err := clientid.NewShared(c.Node, k.ClientID, startOf(c.Instance))
		if err != nil {
			return nil, err
		}
		n.ids = append(n.ids, ids)
	}
	n.seq = n.rng.Uint64N(1 << 32)
	return n, nil
}

// call is one verb on its way through the cluster: whom it has asked, and what they
// have answered. Guarded by Node.mu until it is done.
type call struct {
	node    *caller
	seq     uint64 // of the request
	verb    message.Verb
	asked   []question
	left    int    // questions without a last answer
	giveUp  int64  // by this node's clock
	patient int64  // until when second replies are waited for; 0: there are none
	need    uint64 // position of this node's names that all members must have heard of
	// local says that the caller's own part is done, so that the end may be judged.
	local bool

	away    []uint16 // nodes that have clients in question and are no members
	done    bool
	lacking lacking
	park    func(context.Context) // returns when wake was called or the context is done
	wake    func()
}

// question is what one member was asked.
type question struct {
	to    message.Member
	state answerState
	first message.Reply // the reply before a wait
	reply message.Reply
}

type answerState uint8

const (
	waiting answerState = iota
	matched             // the first of two replies has come
	answered
	failed
)

// parking returns a pair of functions: one that waits until the other was called, or
// the context is done.
type parking func() (park func(context.Context), wake func())

func parkGoroutine() (park func(context.Context), wake func()) {
	woken := make(chan struct{}, 1)
	return func(ctx context.Context) {
			select {
			case <-woken:
			case <-ctx.Done():
			}
		}, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		}
}

// begin asks members, those of them that can be reached. Each gets the request that
// adapt makes of q for it; nil sends the same to all. Whoever begins must finish.
func (n *caller) begin(ctx context.Context, q *message.Request, to []message.Member, adapt func(message.Member) *message.Request) (*call, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	c := &call{node: n, verb: q.Verb, giveUp: now + n.lease/2}
	if q.Verb == message.VerbBind || q.Verb == message.VerbJoin { // they may wait there
		c.giveUp = now + n.patience() + n.lease/4
	}
	if deadline, ok := ctx.Deadline(); ok && !q.Wait {
		c.giveUp = min(c.giveUp, now+int64(time.Until(deadline)))
	}
	if q.Wait {
		c.patient = now + q.Budget + n.lease/2
	}
	n.seq++
	q.Seq, q.GiveUp, q.HLC, q.Chain, q.Epoch = n.seq, c.giveUp, n.now(), n.view.Chain, n.view.Epoch
	for _, m := range to {
		state := waiting
		if n.stopped || n.upSince == 0 || n.suspect(n.peers[m], now) {
			state = failed
		}
		c.asked = append(c.asked, question{to: m, state: state})
	}
	if err := n.ask(c, q, adapt, groupOf(ctx)); err != nil {
		return nil, err
	}
	n.calls[q.Seq] = c
	c.seq = q.Seq
	c.park, c.wake = n.parking()
	return c, nil
}

// ask sends the questions of a call that can be sent. The caller holds mu.
func (n *caller) ask(c *call, q *message.Request, adapt func(message.Member) *message.Request, g *grouped) error {
	var same []byte // what all get that get the same
	if adapt == nil {
		all := g == nil && n.all(c)
		if all {
			for i := range c.asked {
				q.Asked = append(q.Asked, c.asked[i].to)
			}
		}
		same = n.make(message.KindRequest, 0, q.Append)
		if err := n.checkSize(same); err != nil {
			return err
		}
		if all && n.dispatchAll(message.KindRequest, same) {
			c.left = len(c.asked)
			return nil
		}
	}
	for i := range c.asked {
		one := &c.asked[i]
		if one.state == failed {
			continue
		}
		m := same
		if adapt != nil {
			mine := adapt(one.to)
			mine.Seq, mine.GiveUp, mine.HLC, mine.Chain, mine.Epoch = q.Seq, q.GiveUp, q.HLC, q.Chain, q.Epoch
			m = n.make(message.KindRequest, one.to.Instance, mine.Append)
			if err := n.checkSize(m); err != nil {
				if c.left > 0 {
					one.state = failed // others have been asked already
					continue
				}
				return err
			}
		}
		if g != nil {
			g.add(c, one.to, message.Body(m))
			c.left++
			continue
		}
		if !n.dispatch(one.to.Node, message.KindRequest, m) {
			one.state = failed
			continue
		}
		c.left++
	}
	return nil
}

// all tells whether one message to everybody costs less than one to each: at least
// two are asked, and these are more than half of all.
func (n *caller) all(c *call) bool {
	if len(c.asked) < 2 || 2*len(c.asked) <= len(n.view.Members)-1 {
		return false
	}
	return !slices.ContainsFunc(c.asked, func(q question) bool { return q.state == failed })
}

// finish waits until all that were asked have answered or were given up, and this
// node holds the leases that a complete answer needs, or will not get them soon.
// away are nodes that have clients in question and are no members.
func (c *call) finish(ctx context.Context, away ...uint16) {
	n := c.node
	n.mu.Lock()
	c.local, c.away = true, away
	n.judge(c, n.clock())
	for !c.done {
		n.mu.Unlock()
		if g := groupOf(ctx); g != nil {
			g.waits()
		}
		c.park(ctx)
		n.mu.Lock()
		if n.judge(c, n.clock()); !c.done && ctx.Err() != nil {
			n.abandon(c)
		}
	}
	n.mu.Unlock()
	for _, node := range c.lacking.nodes {
		n.count.missing(node)
	}
	if !c.lacking.none() {
		n.count.incomplete.Add(1)
	}
}

// judge ends a call whose time has come. The caller holds mu.
func (n *caller) judge(c *call, now int64) {
	if c.done {
		return
	}
	for i := range c.asked {
		q := &c.asked[i]
		switch {
		case q.state == waiting && now >= c.giveUp, q.state == matched && now >= c.patient,
			q.state == matched && !n.member(q.to): // one that is voted out may still carry it out until giveUp
			q.state = failed
			c.left--
		}
	}
	if c.left > 0 && !(n.faults.skipReply && c.left == 1) || !c.local {
		return
	}
	l := n.lacks(now)
	for i := range c.asked {
		q := &c.asked[i]
		switch {
		case q.state == failed && q.first.Seq != 0: // it has ended in the middle of a wait
			l.add(q.to.Node)
		case q.state == failed && n.member(q.to):
			l.add(q.to.Node)
			l.soon = false
		case q.state == answered && refusal(&q.reply):
			l.add(q.to.Node)
			l.soon = false
			n.complain(fmt.Sprintf("refused %d %s", q.to.Node, q.reply.Code), "a node has refused what it was asked; the answer is incomplete",
				"node", q.to.Node, "verb", c.verb.String(), "code", q.reply.Code, "detail", q.reply.Detail)
		case q.state == answered:
			for _, node := range q.reply.Missing {
				l.add(node)
				l.soon = false
			}
		}
	}
	for _, node := range append(n.deaf(c.need), c.away...) {
		l.add(node)
	}
	if !l.none() && l.soon && now < c.giveUp {
		return
	}
	slices.Sort(l.nodes)
	c.lacking, c.done = l, true
	delete(n.calls, c.seq)
	c.wake()
}

// abandon ends a call before its time. The caller holds mu.
func (n *caller) abandon(c *call) {
	if c.done {
		return
	}
	c.local = true
	c.giveUp, c.patient = 0, 0
	n.judge(c, n.clock())
}

// lookAtCalls ends the calls whose time has come. The caller holds mu.
func (n *caller) lookAtCalls(now int64) {
	if len(n.calls) == 0 {
		return
	}
	for _, seq := range n.sortedCalls() {
		if c := n.calls[seq]; c != nil {
			n.judge(c, now)
		}
	}
}

// sortedCalls are the numbers of the calls under way, in their order: tests in
// virtual time must be repeatable.
func (n *caller) sortedCalls() []uint64 {
	list := make([]uint64, 0, len(n.calls))
	for seq := range n.calls {
		list = append(list, seq)
	}
	slices.Sort(list)
	return list
}

// onReply takes in an answer. The caller holds mu.
func (n *caller) onReply(from message.Member, r *message.Reply, now int64) {
	n.heard(r.HLC)
	c := n.calls[r.Seq]
	if c == nil {
		n.count.late.Add(1)
		return
	}
	for i := range c.asked {
		q := &c.asked[i]
		if q.to != from || q.state != waiting && q.state != matched {
			continue
		}
		if r.First {
			if q.state == waiting {
				q.state, q.first = matched, *r
			}
			return
		}
		q.state, q.reply = answered, *r
		c.left--
		n.judge(c, now)
		return
	}
}
