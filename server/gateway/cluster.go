package gateway

import (
	"context"
	"time"
)

// Cluster is what a Gateway can do besides that is a node of a cluster.
type Cluster interface {
	// Nodes returns what this node knows of the nodes of its cluster, itself
	// included, in the order of their numbers. Nodes that it hears and that are not
	// members are included too.
	Nodes() []NodeInfo
	// ClusterStats is Stats summed over all nodes. Node, StartedAt and what describes
	// certificates and keys are of the node asked; LoopLag is the largest.
	ClusterStats(ctx context.Context) (Stats, error)
	// Joined tells whether this node has ever been a member, and so has heard every
	// node that was alive.
	Joined() bool
	// Group returns a group for verbs that do not depend on each other's answers.
	Group() Group
}

// Group is for verbs that are begun before those before them have been answered.
// What they ask of the same node goes out in one message and is done in their order.
type Group interface {
	// Context is that of one verb of the group. The verb calls waits, at least once,
	// when it has asked all it has to ask and waits for other nodes: then the next one may be
	// begun. waits is called from the goroutine of the verb and must not block.
	Context(ctx context.Context, waits func()) context.Context
	// Send sends what was collected. Until then a verb may wait in vain.
	Send()
}

// NodeInfo is what one node of a cluster knows of another, or of itself.
type NodeInfo struct {
	Node     uint16
	Instance string // of the process: another start has another
	Address  string // where its control API is, as it says itself
	Version  string
	// State is "self", "member", "suspect" for a member that has not been heard for
	// half a lease, "draining", "joining", "foreign" for one that belongs to a
	// cluster of its own, or "version" for one whose protocol is another.
	State string
	Age   time.Duration // since it was last heard; 0 for this node
	// Lease is for how long the node still counts this one as alive, by what it has
	// said itself; 0 if it does not. Of this node, the shortest of all.
	Lease time.Duration
	// Clients is how many it had when last heard.
	Clients int
	// Lag is how long its heartbeat and the answer to it took at least.
	Lag time.Duration
	// Clock is by how much its wall clock is ahead of this node's, Lag included.
	Clock time.Duration
}

// NameKind is what a name is.
type NameKind uint8

// The kinds of names.
const (
	UIDName NameKind = iota + 1
	GroupName
)

// NameWatcher is told which uids and groups are in use: NameBorn when a name gets its
// first client, NameGone when it has lost its last. For one name they are called one
// after the other, from any goroutine, and with locks held: they must be quick, and
// must not call back. name is theirs only until they return.
type NameWatcher interface {
	NameBorn(kind NameKind, name string)
	NameGone(kind NameKind, name string)
}

// Home is a gateway whose process is a node of a cluster, as that node needs it.
type Home interface {
	Gateway
	Historian
	// CheckNames returns the first of uids and groups that callers of this gateway may not
	// use: CodeInvalidName.
	CheckNames(uids, groups []string) error
	// Peers is the gateway for what other nodes have taken. They have checked it by their
	// own settings, so names may have up to MaxPeerNameLen bytes; and they count pushes.
	Peers() Asked
}

// Asked is what other nodes may ask of a gateway.
type Asked interface {
	Gateway
	Explain(ctx context.Context, q Explain) (Explanation, error)
}
