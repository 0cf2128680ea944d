package cluster

import (
	"context"
	"encoding/json"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// Online implements gateway.Gateway.
func (n *Node) Online(ctx context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	ids := n.divide(q.ClientIDs)
	local, err := n.local.Online(ctx, gateway.Online{ClientIDs: ids.here, UIDs: q.UIDs})
	if err != nil {
		return local, err
	}
	r := &message.Request{Verb: message.VerbOnline, To: gateway.Targets{UIDs: q.UIDs}}
	c, err := n.begin(ctx, r, n.asking(&r.To, &ids), adaptPush(r, &ids, &homes{}))
	if err != nil {
		return local, err
	}
	c.finish(ctx, ids.away...)
	online := map[string]bool{}
	for i, id := range ids.here {
		online[id] = local.Clients[i]
	}
	c.replies(func(one *question) {
		theirs := ids.there[one.to]
		for i, id := range theirs {
			online[id] = number(&one.reply, i) == 1
		}
		for i := range local.UIDs {
			local.UIDs[i] += number(&one.reply, len(theirs)+i)
		}
	})
	local.Clients = make([]bool, len(q.ClientIDs))
	for i, id := range q.ClientIDs {
		local.Clients[i] = online[id]
	}
	return local, c.incomplete()
}

// Counts implements gateway.Gateway.
func (n *Node) Counts(ctx context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	sum, err := n.local.Counts(ctx, q)
	if err != nil {
		return sum, err
	}
	c, err := n.begin(ctx, &message.Request{Verb: message.VerbCounts, To: gateway.Targets{Groups: q.Groups, UIDs: q.UIDs}}, n.holders(q.UIDs, q.Groups), nil)
	if err != nil {
		return sum, err
	}
	c.finish(ctx)
	c.replies(func(one *question) {
		for i := range sum.Groups {
			sum.Groups[i] += number(&one.reply, i)
		}
		for i := range sum.UIDs {
			sum.UIDs[i] += number(&one.reply, len(sum.Groups)+i)
		}
	})
	return sum, c.incomplete()
}

// Stats implements gateway.Gateway. They are of this node.
func (n *Node) Stats(ctx context.Context) (gateway.Stats, error) { return n.local.Stats(ctx) }

// ClusterStats implements gateway.Cluster.
func (n *Node) ClusterStats(ctx context.Context) (gateway.Stats, error) {
	sum, err := n.local.Stats(ctx)
	if err != nil {
		return sum, err
	}
	c, err := n.begin(ctx, &message.Request{Verb: message.VerbStats}, n.everybody(), nil)
	if err != nil {
		return sum, err
	}
	c.finish(ctx)
	c.replies(func(one *question) {
		var st gateway.Stats
		if json.Unmarshal(one.reply.Data, &st) == nil {
			addStats(&sum, &st)
		}
	})
	return sum, c.incomplete()
}

// historian tells what all nodes remember.
type historian struct {
	*caller
	local Local
}

// Explain implements gateway.Historian. All nodes are asked, since nobody knows where
// clients were that are gone.
func (n *historian) Explain(ctx context.Context, q gateway.Explain) (gateway.Explanation, error) {
	all, err := n.local.Explain(ctx, q)
	if err != nil {
		return all, err
	}
	var away []uint16
	if q.ClientID != "" {
		away = n.divide([]string{q.ClientID}).away
	}
	c, err := n.begin(ctx, &message.Request{Verb: message.VerbExplain, UID: q.UID, ClientID: q.ClientID}, n.everybody(), nil)
	if err != nil {
		return all, err
	}
	c.finish(ctx, away...)
	c.replies(func(one *question) {
		var theirs gateway.Explanation
		if json.Unmarshal(one.reply.Data, &theirs) == nil {
			all.Add(&theirs)
		}
	})
	return all, c.incomplete()
}

// Tail implements gateway.Historian. It tells of this node.
func (n *historian) Tail(f gateway.TailFilter) (gateway.Tail, error) { return n.local.Tail(f) }

// Pushed implements gateway.Historian.
func (n *historian) Pushed(p *gateway.Push, matched int, complete bool) {
	n.local.Pushed(p, matched, complete)
}

// unreachable turns the answer of a verb whose result has no place for what is
// missing into an error.
func unreachable(err error) error {
	if hole, ok := err.(*gateway.Incomplete); ok {
		return &gateway.Error{Code: gateway.CodeUnreachable, Detail: hole.Error()}
	}
	return err
}

// Client implements gateway.Gateway.
func (n *Node) Client(ctx context.Context, clientID string) (gateway.ClientInfo, error) {
	r, at, err := n.atHome(ctx, clientID, &message.Request{Verb: message.VerbClient, ClientID: clientID})
	switch {
	case at == here:
		return n.local.Client(ctx, clientID)
	case len(r.Clients) == 1: // what its own node knows of it is all there is
		return r.Clients[0], nil
	}
	return gateway.ClientInfo{}, unreachable(err)
}

// PutSession implements gateway.Gateway.
func (n *Node) PutSession(ctx context.Context, clientID string, session json.RawMessage) (json.RawMessage, error) {
	return n.changeSession(ctx, message.VerbPutSession, clientID, session, n.local.PutSession)
}

// PatchSession implements gateway.Gateway.
func (n *Node) PatchSession(ctx context.Context, clientID string, patch json.RawMessage) (json.RawMessage, error) {
	return n.changeSession(ctx, message.VerbPatchSession, clientID, patch, n.local.PatchSession)
}

func (n *Node) changeSession(ctx context.Context, verb message.Verb, clientID string, object json.RawMessage, local func(context.Context, string, json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	r, at, err := n.atHome(ctx, clientID, &message.Request{Verb: verb, ClientID: clientID, Payload: object})
	switch {
	case at == here:
		return local(ctx, clientID, object)
	case len(r.Data) > 0:
		return r.Data, nil
	}
	return nil, unreachable(err)
}
