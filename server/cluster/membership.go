package cluster

import (
	"context"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// atHome has one member carry out a request about one of its clients, unless
// that is this node itself: at is here then, and nothing was done. If no living node
// has made the id, the error is unknown_client. It is a *gateway.Incomplete if the
// answer of the client's node has not come, or is not complete.
func (n *caller) atHome(ctx context.Context, clientID string, q *message.Request) (r message.Reply, at place, err error) {
	home, at := n.find(clientID)
	if at == nowhere {
		// Its node may be there and unheard of: whoever does not hold the leases of all
		// knows only that it does not know.
		if err := n.standing(ctx, 0); err != nil {
			return r, at, err
		}
		home, at = n.find(clientID)
	}
	if at != there {
		return r, at, n.unknown(clientID, home, at)
	}
	c, err := n.begin(ctx, q, []message.Member{home}, nil)
	if err != nil {
		return r, at, err
	}
	c.finish(ctx)
	if c.asked[0].state != answered {
		c.lacking.add(home.Node) // though it be voted out by now: it may have been done
		return r, at, c.incomplete()
	}
	r = c.asked[0].reply
	if r.Code != "" {
		return message.Reply{}, at, &gateway.Error{Code: gateway.Code(r.Code), Detail: r.Detail}
	}
	return r, at, c.incomplete()
}

// unknown is the error for a client that no member has.
func (n *caller) unknown(clientID string, home message.Member, at place) error {
	switch at {
	case away:
		return &gateway.Incomplete{Unreachable: []uint16{home.Node}}
	case nowhere, nobody:
		return unknownClient(clientID)
	}
	return nil
}

// standing is the answer of a verb that only this node's clients had to do with:
// complete if this node holds the leases of all.
// need is a position of this node's names that the others must have heard of.
func (n *caller) standing(ctx context.Context, need uint64) error {
	c, err := n.begin(ctx, &message.Request{}, nil, nil)
	if err != nil {
		return err
	}
	c.need = need
	c.finish(ctx)
	return c.incomplete()
}

// Bind implements gateway.Gateway.
func (n *Node) Bind(ctx context.Context, b gateway.Bind) (gateway.BindResult, error) {
	if err := n.local.CheckNames([]string{b.UID}, b.Groups); err != nil { // its client's node does not
		return gateway.BindResult{}, err
	}
	q := &message.Request{Verb: message.VerbBind, ClientID: b.ClientID, UID: b.UID, KickOld: b.KickOld}
	q.To.Groups = b.Groups
	r, at, err := n.atHome(ctx, b.ClientID, q)
	if at != here {
		return gateway.BindResult{PreviousUID: name(&r), Kicked: number(&r, 0)}, err
	}
	need, release, err := n.hold(ctx, []string{b.UID}, b.Groups)
	if err != nil {
		return gateway.BindResult{}, err
	}
	defer release()
	if b.KickOld {
		return n.owned.bind(ctx, b, need)
	}
	result, err := n.owned.bindPlainly(ctx, b)
	if err != nil {
		return result, err
	}
	return result, n.standing(ctx, need)
}

// executeBind carries out another node's bind.
func (n *service) executeBind(ctx context.Context, q *message.Request, need uint64) (r message.Reply, err error) {
	var b gateway.BindResult
	if q.KickOld {
		b, err = n.owned.bind(ctx, q.Bind(), need)
	} else {
		b, err = n.owned.bindPlainly(ctx, q.Bind())
	}
	r.Names, r.Numbers = []string{b.PreviousUID}, []int64{int64(b.Kicked)}
	if hole, ok := err.(*gateway.Incomplete); ok {
		r.Missing, err = hole.Unreachable, nil
	}
	return r, err
}

func name(r *message.Reply) string {
	if len(r.Names) == 0 {
		return ""
	}
	return r.Names[0]
}

// Unbind implements gateway.Gateway.
func (n *Node) Unbind(ctx context.Context, clientID string) (gateway.BindResult, error) {
	r, at, err := n.atHome(ctx, clientID, &message.Request{Verb: message.VerbUnbind, ClientID: clientID})
	if at != here {
		return gateway.BindResult{PreviousUID: name(&r)}, err
	}
	result, err := n.local.Unbind(ctx, clientID)
	if err != nil {
		return result, err
	}
	return result, n.standing(ctx, 0)
}

// UnbindUIDs implements gateway.Gateway.
func (n *Node) UnbindUIDs(ctx context.Context, uids []string) (int, error) {
	q := &message.Request{Verb: message.VerbUnbindUIDs, To: gateway.Targets{UIDs: uids}}
	return n.total(ctx, q, func() (int, error) { return n.local.UnbindUIDs(ctx, uids) })
}

// Ungroup implements gateway.Gateway.
func (n *Node) Ungroup(ctx context.Context, groups []string) (int, error) {
	q := &message.Request{Verb: message.VerbUngroup, To: gateway.Targets{Groups: groups}}
	return n.total(ctx, q, func() (int, error) { return n.local.Ungroup(ctx, groups) })
}

// total is one number, summed over all nodes.
func (n *Node) total(ctx context.Context, q *message.Request, local func() (int, error)) (int, error) {
	sum, err := local()
	if err != nil {
		return sum, err
	}
	c, err := n.begin(ctx, q, n.holders(q.To.UIDs, q.To.Groups), nil)
	if err != nil {
		return sum, err
	}
	c.finish(ctx)
	return sum + c.sum(0), c.incomplete()
}

// Join implements gateway.Gateway.
func (n *Node) Join(ctx context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return n.changeMembership(ctx, message.VerbJoin, m, n.local.Join)
}

// Leave implements gateway.Gateway.
func (n *Node) Leave(ctx context.Context, m gateway.Membership) (gateway.MembershipResult, error) {
	return n.changeMembership(ctx, message.VerbLeave, m, n.local.Leave)
}

// holdsUID tells whether clients of this node may have one of the uids.
func (n *caller) holdsUID(uids []string) bool {
	return n.names != nil && len(uids) > 0 && n.names.own.Holds(hashes(n.names.hasher, uids, nil))
}

func (n *Node) changeMembership(ctx context.Context, verb message.Verb, m gateway.Membership, local func(context.Context, gateway.Membership) (gateway.MembershipResult, error)) (gateway.MembershipResult, error) {
	ids := n.divide(m.ClientIDs)
	mine := m
	mine.ClientIDs = ids.here
	var announced []string
	if verb == message.VerbJoin && (len(ids.here) > 0 || n.holdsUID(m.UIDs)) {
		announced = m.Groups
	}
	need, release, err := n.hold(ctx, nil, announced)
	if err != nil {
		return gateway.MembershipResult{}, err
	}
	result, err := local(ctx, mine)
	release()
	if err != nil {
		return result, err
	}
	q := &message.Request{Verb: verb, To: gateway.Targets{UIDs: m.UIDs, Groups: m.Groups}}
	c, err := n.begin(ctx, q, n.asking(&gateway.Targets{UIDs: m.UIDs}, &ids), adaptPush(q, &ids, &homes{}))
	if err != nil {
		return result, err
	}
	c.need = need
	c.finish(ctx, ids.away...)
	result.Changed += c.sum(0)
	unknown := map[string]bool{}
	for _, id := range append(ids.unknown, result.UnknownClientIDs...) {
		unknown[id] = true
	}
	c.replies(func(one *question) {
		for _, id := range one.reply.Names {
			unknown[id] = true
		}
	})
	result.UnknownClientIDs = inOrder(m.ClientIDs, unknown)
	return result, c.failureOr(c.incomplete())
}

// inOrder are the names of a list that are in a set, each once.
func inOrder(list []string, set map[string]bool) (out []string) {
	for _, s := range list {
		if set[s] {
			out = append(out, s)
			delete(set, s)
		}
	}
	return out
}
