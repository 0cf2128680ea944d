package cluster

import (
	"context"
	"slices"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// group collects the requests of several verbs, so that those for one node go out in
// one message. It implements gateway.Group. Guarded by Node.mu.
type group struct {
	node    *caller
	waiting map[message.Member]*parcel
}

// parcel is what waits to be sent to one member.
type parcel struct {
	requests [][]byte
	calls    []*call // of each request
	size     int
}

// Limits of a parcel; a request that is larger goes alone.
const (
	parcelBytes    = 256 << 10
	parcelRequests = 1024
)

// grouped is what a context holds of a group.
type grouped struct {
	*group
	waits func()
}

type groupKey struct{}

// groupOf is the group of a verb, nil if it is not in one.
func groupOf(ctx context.Context) *grouped {
	g, _ := ctx.Value(groupKey{}).(*grouped)
	return g
}

// Group implements gateway.Cluster.
func (n *Node) Group() gateway.Group {
	return &group{node: n.caller, waiting: map[message.Member]*parcel{}}
}

// Context implements gateway.Group.
func (g *group) Context(ctx context.Context, waits func()) context.Context {
	return context.WithValue(ctx, groupKey{}, &grouped{g, waits})
}

// Send implements gateway.Group.
func (g *group) Send() {
	n := g.node
	n.mu.Lock()
	defer n.mu.Unlock()
	members := make([]message.Member, 0, len(g.waiting))
	for m := range g.waiting {
		members = append(members, m)
	}
	slices.SortFunc(members, message.Member.Compare)
	for _, m := range members {
		g.send(m)
	}
}

// add collects a request to a member, and sends what is enough for a message. The
// caller holds mu.
func (g *group) add(c *call, to message.Member, body []byte) {
	p := g.waiting[to]
	if p != nil && (p.size+len(body) > parcelBytes || len(p.requests) == parcelRequests) {
		g.send(to)
		p = nil
	}
	if p == nil {
		p = &parcel{}
		g.waiting[to] = p
	}
	p.requests, p.calls = append(p.requests, body), append(p.calls, c)
	p.size += len(body)
}

// send sends what waits for a member. The caller holds mu.
func (g *group) send(to message.Member) {
	n, p := g.node, g.waiting[to]
	delete(g.waiting, to)
	kind, body := message.KindRequests, message.Requests(p.requests).Append
	if len(p.requests) == 1 { // which may be as large as a message can be
		kind, body = message.KindRequest, func(dst []byte) []byte { return append(dst, p.requests[0]...) }
	}
	if n.send(to, kind, body) {
		return
	}
	for _, c := range p.calls {
		for i := range c.asked {
			if q := &c.asked[i]; q.to == to && q.state == waiting {
				q.state = failed
				c.left--
				n.judge(c, n.clock())
			}
		}
	}
}

// onRequests takes in several requests of one member, in their order.
func (n *service) onRequests(from message.Member, list message.Requests, now int64) error {
	for _, body := range list {
		q, err := message.DecodeRequest(body)
		if err != nil {
			return err
		}
		n.onRequest(from, &q, len(body), now)
	}
	return nil
}
