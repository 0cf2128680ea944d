package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// service carries out what other nodes ask for.
type service struct {
	*caller
	asked   gateway.Asked
	owned   *exclusives
	lanes   executor
	timeout func(time.Duration) (context.Context, context.CancelFunc)
}

// onRequest decides whether a request may be carried out, and has that done. The
// caller holds mu.
func (n *service) onRequest(from message.Member, q *message.Request, size int, now int64) {
	p := n.peers[from]
	switch {
	case len(q.Asked) > 0 && !slices.Contains(q.Asked, n.self):
		return // it is for others
	case p == nil || !p.known || n.gone || n.view.Chain == 0 || q.Chain != n.view.Chain || q.Epoch < n.joinedAt:
		n.count.refuse("stranger")
		return // the sender has asked another view's members
	case p.latest(now) > q.GiveUp && !n.faults.ignoreDeadline:
		n.count.refuse("late")
		return
	case !p.requests.first(q.Seq) && !n.faults.ignoreRepeats:
		n.count.refuse("repeated")
		return
	}
	n.heard(q.HLC)
	list := n.about(q)
	if len(list) == 0 {
		n.start(from, q, size, func() { n.carryOut(from, q, 0) })
		return
	}
	err := n.announce(list, now+n.patience(), func(need uint64) {
		started := n.start(from, q, size, func() {
			n.carryOut(from, q, need)
			n.release(list)
		})
		if !started {
			n.release(list)
		}
	})
	if err != nil {
		n.refuse(from, q)
	}
}

// start has a job done for another node. The caller holds mu.
func (n *service) start(from message.Member, q *message.Request, size int, job func()) bool {
	ok := n.lanes.run(from, q.Slow(), size, job)
	if !ok {
		n.refuse(from, q)
	}
	return ok
}

// refuse answers that there is no room for a request. The caller holds mu.
func (n *service) refuse(from message.Member, q *message.Request) {
	n.count.refuse("busy")
	n.answer(from, &message.Reply{Seq: q.Seq, Code: string(gateway.CodeBusy), Detail: "the node of the client has no room for another request; try again"})
}

// carryOut carries out a request, unless it has waited too long, and answers it. need
// is a position of this node's names that the others must have heard of.
func (n *service) carryOut(from message.Member, q *message.Request, need uint64) {
	n.mu.Lock()
	now := n.clock()
	p := n.peers[from]
	late := p == nil || p.latest(now) > q.GiveUp && !n.faults.ignoreDeadline
	if late {
		n.count.refuse("late")
	}
	left := time.Duration(0)
	if p != nil {
		left = duration(q.GiveUp - p.latest(now))
	}
	n.mu.Unlock()
	if late {
		return
	}
	if q.Wait {
		left = time.Duration(q.Budget)
	}
	ctx, cancel := n.timeout(left)
	defer cancel()
	r, err := n.execute(ctx, from, q, need)
	if err != nil {
		r = message.Reply{Code: string(gateway.CodeBusy), Detail: err.Error()}
		var failure *gateway.Error
		if errors.As(err, &failure) {
			r.Code, r.Detail = string(failure.Code), failure.Detail
		}
	}
	// What is done here may be missing from the answers of those who have voted this
	// node out.
	if !n.secure() {
		r.Missing = append(r.Missing, n.self.Node)
	}
	r.Seq = q.Seq
	n.mu.Lock()
	defer n.mu.Unlock()
	r.Missing = append(r.Missing, n.deaf(need)...)
	n.answer(from, &r)
}

// reply answers from outside of mu, answer from within.
func (n *service) reply(to message.Member, r *message.Reply) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer(to, r)
}

func (n *service) answer(to message.Member, r *message.Reply) {
	r.HLC = n.hlc.Load()
	m := n.make(message.KindReply, to.Instance, r.Append)
	if limit := n.link.Limit(); len(m) > limit {
		err := n.checkSize(m).(*gateway.Error)
		m = n.make(message.KindReply, to.Instance, (&message.Reply{Seq: r.Seq, HLC: r.HLC, Code: string(err.Code), Detail: err.Detail}).Append)
	}
	n.dispatch(to.Node, message.KindReply, m)
}

// execute carries out a request for this node's clients.
func (n *service) execute(ctx context.Context, from message.Member, q *message.Request, need uint64) (r message.Reply, err error) {
	switch q.Verb {
	case message.VerbPush:
		return n.executePush(ctx, from, q)
	case message.VerbBind:
		return n.executeBind(ctx, q, need)
	case message.VerbUnbind:
		var b gateway.BindResult
		b, err = n.asked.Unbind(ctx, q.ClientID)
		r.Names = []string{b.PreviousUID}
	case message.VerbUnbindUIDs:
		r.Numbers, err = counted(n.asked.UnbindUIDs(ctx, q.To.UIDs))
	case message.VerbJoin:
		return membership(n.asked.Join(ctx, q.Membership()))
	case message.VerbLeave:
		return membership(n.asked.Leave(ctx, q.Membership()))
	case message.VerbUngroup:
		r.Numbers, err = counted(n.asked.Ungroup(ctx, q.To.Groups))
	case message.VerbKick:
		r.Numbers, err = counted(n.asked.Kick(ctx, q.Kick()))
	case message.VerbReplace:
		return n.owned.executeReplace(ctx, q)
	case message.VerbLook:
		err = n.executeLook(q)
	case message.VerbPutSession:
		r.Data, err = n.asked.PutSession(ctx, q.ClientID, q.Payload)
	case message.VerbPatchSession:
		r.Data, err = n.asked.PatchSession(ctx, q.ClientID, q.Payload)
	default:
		return n.executeQuery(ctx, q)
	}
	return r, err
}

// executeQuery carries out a request that changes nothing.
func (n *service) executeQuery(ctx context.Context, q *message.Request) (r message.Reply, err error) {
	switch q.Verb {
	case message.VerbOnline:
		var o gateway.OnlineResult
		o, err = n.asked.Online(ctx, gateway.Online{ClientIDs: q.To.ClientIDs, UIDs: q.To.UIDs})
		for _, online := range o.Clients {
			r.Numbers = append(r.Numbers, bit(online))
		}
		r.Numbers = append(r.Numbers, numbers(o.UIDs)...)
	case message.VerbCounts:
		var c gateway.CountsResult
		c, err = n.asked.Counts(ctx, gateway.Counts{Groups: q.To.Groups, UIDs: q.To.UIDs})
		r.Numbers = append(numbers(c.Groups), numbers(c.UIDs)...)
	case message.VerbStats:
		var st gateway.Stats
		if st, err = n.asked.Stats(ctx); err == nil {
			r.Data, err = json.Marshal(&st)
		}
	case message.VerbExplain:
		var x gateway.Explanation
		if x, err = n.asked.Explain(ctx, gateway.Explain{UID: q.UID, ClientID: q.ClientID}); err == nil {
			r.Data, err = json.Marshal(&x)
		}
	case message.VerbClient:
		var c gateway.ClientInfo
		c, err = n.asked.Client(ctx, q.ClientID)
		r.Clients = []gateway.ClientInfo{c}
	case message.VerbClients:
		var page gateway.Page[gateway.ClientInfo]
		page, err = n.asked.Clients(ctx, q.List)
		r.Clients, r.Next = page.Rows, page.Next
	case message.VerbUIDs:
		var page gateway.Page[gateway.NameCount]
		page, err = n.asked.UIDs(ctx, q.List)
		r.Counts, r.Next = page.Rows, page.Next
	case message.VerbGroups:
		var page gateway.Page[gateway.NameCount]
		page, err = n.asked.Groups(ctx, q.List)
		r.Counts, r.Next = page.Rows, page.Next
	default:
		err = &gateway.Error{Code: gateway.CodeBusy, Detail: "a request for an unknown verb"}
	}
	return r, err
}

func counted(n int, err error) ([]int64, error) { return []int64{int64(n)}, err }

func membership(m gateway.MembershipResult, err error) (message.Reply, error) {
	return message.Reply{Numbers: []int64{int64(m.Changed)}, Names: m.UnknownClientIDs}, err
}

func numbers(list []int) []int64 {
	out := make([]int64, 0, len(list))
	for _, n := range list {
		out = append(out, int64(n))
	}
	return out
}

func bit(v bool) int64 {
	if v {
		return 1
	}
	return 0
}
