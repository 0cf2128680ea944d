package cluster

import (
	"errors"

	"castgate/server/cluster/internal/message"
)

// receive takes a message from the transport. Any goroutine.
func (n *Node) receive(m []byte) {
	e, body, err := n.seals.Open(m)
	if err == nil && e.From == n.self || e.To != 0 && e.To != n.self.Instance {
		return // its own, or for another process with its number
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.stopped:
		return
	case errors.Is(err, message.ErrSeal):
		n.count.refuse("seal")
		n.complain("seal", "refused a message that is not sealed with the cluster's secret; do all nodes have the same secret and cluster-name?", "claims_node", e.From.Node)
		return
	case err != nil:
		n.count.refuse("malformed")
		n.complain("malformed", "refused a message that does not come from a node")
		return
	case e.Version != message.Version:
		n.onOtherVersion(e)
		return
	}
	n.count.received(e.Kind, len(m))
	if err := n.take(e, body); err != nil {
		n.count.refuse("malformed")
		n.complain("body", "refused a message of a node", "node", e.From.Node, "kind", e.Kind.String(), "err", err)
	}
}

// onOtherVersion notes a process whose messages this one does not understand: what
// clients it has, nobody here knows. The caller holds mu.
func (n *Node) onOtherVersion(e message.Envelope) {
	n.count.refuse("version")
	n.complain("version", "a node speaks another version of the cluster's protocol; answers are incomplete while both are there", "node", e.From.Node, "its_version", e.Version, "our_version", message.Version)
	p := n.peers[e.From]
	if p == nil {
		if len(n.peers) >= 2*message.MaxMembers {
			return
		}
		p = &peer{member: e.From, namesKey: -1}
		n.peers[e.From] = p
	}
	p.version, p.heardAt = e.Version, n.clock()
}

// take takes in a message that is sealed and of this version. The caller holds mu.
func (n *Node) take(e message.Envelope, body []byte) error {
	now := n.clock()
	switch e.Kind {
	case message.KindHeartbeat:
		h, err := message.DecodeHeartbeat(body)
		if err != nil {
			return err
		}
		n.onHeartbeat(e.From, &h, now)
	case message.KindPrepare, message.KindPromise, message.KindAccept, message.KindAccepted:
		b, err := message.DecodeBallot(body)
		if err != nil {
			return err
		}
		n.onBallot(e.From, e.Kind, &b, now)
	case message.KindRequest:
		q, err := message.DecodeRequest(body)
		if err != nil {
			return err
		}
		n.service.onRequest(e.From, &q, len(body), now)
	case message.KindRequests:
		list, err := message.DecodeRequests(body)
		if err != nil {
			return err
		}
		return n.service.onRequests(e.From, list, now)
	case message.KindReply:
		r, err := message.DecodeReply(body)
		if err != nil {
			return err
		}
		n.onReply(e.From, &r, now)
	default:
		return n.takeNames(e, body, now)
	}
	return nil
}
