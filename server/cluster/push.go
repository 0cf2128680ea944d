package cluster

import (
	"context"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// waitBudget is how long a wait may take where its context has no end.
const waitBudget = 10 * time.Second

// Push implements gateway.Gateway.
func (n *Node) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	to, exclude := n.divide(p.To.ClientIDs), n.divide(p.ExcludeClientIDs)
	q := &message.Request{Verb: message.VerbPush, To: p.To, ExcludeUIDs: p.ExcludeUIDs, Payload: p.Payload, Binary: p.Binary, Wait: p.Wait}
	if p.Wait {
		q.Budget = int64(waitBudget)
		if deadline, ok := ctx.Deadline(); ok { // its answer has a way to go
			q.Budget = int64(time.Until(deadline)) * 9 / 10
		}
	}
	q.To.ClientIDs = nil
	named := p.To.All || len(p.To.UIDs)+len(p.To.Groups) > 0
	if err := n.fits(q, named || len(to.there) > 0); err != nil {
		return gateway.PushResult{}, err
	}
	var c *call
	var failed error
	began := false
	begin := func(int) {
		began = true
		c, failed = n.begin(ctx, q, n.asking(&p.To, &to), adaptPush(q, &to, &exclude))
	}
	mine := p
	mine.To.ClientIDs, mine.ExcludeClientIDs = to.here, exclude.here
	if p.Wait {
		mine.OnMatched = begin
	}
	sum, err := n.local.Push(ctx, mine)
	if err != nil {
		n.giveUp(c)
		return sum, err
	}
	if !began {
		begin(0)
	}
	if failed != nil {
		return sum, failed
	}
	c.finish(ctx, to.away...)
	for i := range c.asked {
		one := &c.asked[i]
		switch r := &one.reply; {
		case one.state == answered && r.Code == "":
			sum.Matched += number(r, 0)
			sum.Queued += number(r, 1)
			sum.Dropped += number(r, 2)
			sum.Written += number(r, 3)
		case one.first.Seq != 0: // nobody knows what has become of them
			sum.Matched += number(&one.first, 0)
			sum.Queued += number(&one.first, 0)
		}
	}
	n.local.Pushed(&p, sum.Matched, c.lacking.none())
	return sum, c.incomplete()
}

// fits refuses a push that other nodes could not be sent, before anybody is sent it.
func (n *caller) fits(q *message.Request, asks bool) error {
	if !asks || len(q.Payload) < n.link.Limit()/2 {
		return nil
	}
	return n.checkSize(q.Append(make([]byte, message.Overhead, message.Overhead+len(q.Payload)+1024)))
}

// adaptPush makes the request of each member: it is told only of its own clients.
func adaptPush(q *message.Request, to, exclude *homes) func(message.Member) *message.Request {
	if len(to.there)+len(exclude.there) == 0 {
		return nil
	}
	return func(m message.Member) *message.Request {
		mine := *q
		mine.To.ClientIDs, mine.ExcludeClientIDs = to.there[m], exclude.there[m]
		return &mine
	}
}

// executePush carries out another node's push. One that waits is answered twice, so
// that the asker knows how many there are if this node ends meanwhile.
func (n *service) executePush(ctx context.Context, from message.Member, q *message.Request) (message.Reply, error) {
	p := q.Push()
	if p.Wait {
		p.OnMatched = func(matched int) {
			n.reply(from, &message.Reply{Seq: q.Seq, First: true, Numbers: []int64{int64(matched)}})
		}
	}
	r, err := n.asked.Push(ctx, p)
	return message.Reply{Numbers: []int64{int64(r.Matched), int64(r.Queued), int64(r.Dropped), int64(r.Written)}}, err
}

// Kick implements gateway.Gateway.
func (n *Node) Kick(ctx context.Context, k gateway.Kick) (int, error) {
	to, exclude := n.divide(k.To.ClientIDs), n.divide(k.ExcludeClientIDs)
	q := &message.Request{Verb: message.VerbKick, To: k.To, ExcludeUIDs: k.ExcludeUIDs, Code: k.Code, Reason: k.Reason, Text: k.Text}
	q.To.ClientIDs = nil
	mine := k
	mine.To.ClientIDs, mine.ExcludeClientIDs = to.here, exclude.here
	kicked, err := n.local.Kick(ctx, mine)
	if err != nil {
		return kicked, err
	}
	c, err := n.begin(ctx, q, n.asking(&k.To, &to), adaptPush(q, &to, &exclude))
	if err != nil {
		return kicked, err
	}
	c.finish(ctx, to.away...)
	return kicked + c.sum(0), c.incomplete()
}
