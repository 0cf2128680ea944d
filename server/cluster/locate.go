package cluster

import (
	"slices"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
)

// place says where the client of an id is.
type place uint8

const (
	nowhere place = iota // no node that this one knows of has made the id
	nobody               // no node makes such ids
	here                 // at this node
	there                // at a member
	away                 // at a node that is alive and no member
)

// locate finds the node of a client id. Whether it has such a client only that node
// knows. The caller holds mu.
func (n *caller) locate(id string) (message.Member, place) {
	if len(id) == clientid.PeerLen {
		return n.locatePeer(id[:clientid.PeerPrefixLen])
	}
	for _, ids := range n.ids {
		node, start, ok := ids.Home(id)
		if !ok {
			return message.Member{}, nobody
		}
		m := message.Member{Node: node}
		for _, b := range start {
			m.Instance = m.Instance<<8 | uint64(b)
		}
		if at := n.placeOf(m); at != nowhere {
			return m, at
		}
	}
	return message.Member{}, nowhere
}

// find is locate for who does not hold mu.
func (n *caller) find(id string) (message.Member, place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.locate(id)
}

// locatePeer finds the node of GatewayWorker's client ids that begin so.
func (n *caller) locatePeer(prefix string) (message.Member, place) {
	if prefix == n.peerPrefix {
		return n.self, here
	}
	for m, p := range n.peers {
		if p.beat.Peer == prefix {
			if at := n.placeOf(m); at != nowhere {
				return m, at
			}
		}
	}
	return message.Member{}, nowhere
}

func (n *caller) placeOf(m message.Member) place {
	switch {
	case m == n.self:
		return here
	case n.member(m):
		return there
	}
	if p := n.peers[m]; p != nil && !n.suspect(p, n.clock()) {
		return away
	}
	return nowhere
}

// homes divides client ids by where their clients are.
type homes struct {
	here    []string
	there   map[message.Member][]string
	away    []uint16 // nodes of those that are away
	unknown []string
}

// divide divides client ids. The caller does not hold mu.
func (n *caller) divide(clientIDs []string) (h homes) {
	if len(clientIDs) == 0 {
		return h
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range clientIDs {
		switch m, at := n.locate(id); at {
		case here:
			h.here = append(h.here, id)
		case there:
			if h.there == nil {
				h.there = map[message.Member][]string{}
			}
			h.there[m] = append(h.there[m], id)
		case away:
			h.away = append(h.away, m.Node)
		default:
			h.unknown = append(h.unknown, id)
		}
	}
	return h
}

// everybody are the other members.
func (n *caller) everybody() []message.Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.others()
}

// asking are the members that a verb has to ask: all others if it is about everybody,
// else those that may hold its uids and groups, and those that its client ids name.
func (n *caller) asking(to *gateway.Targets, h *homes) []message.Member {
	all := n.everybody()
	if to.All {
		return all
	}
	var holders []message.Member
	if len(to.UIDs)+len(to.Groups) > 0 {
		holders = n.holders(to.UIDs, to.Groups)
	}
	return slices.DeleteFunc(all, func(m message.Member) bool {
		return len(h.there[m]) == 0 && !slices.Contains(holders, m)
	})
}
