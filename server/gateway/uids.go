package gateway

import "context"

// UIDWatcher is a part of a node that says which uids are online in its cluster: of
// each uid, one node says it. Its methods do not block; any goroutine calls them.
type UIDWatcher interface {
	// Look asks it to look whether uids are online in the cluster, since another node
	// has seen their first client come or their last one go. known: it was said before
	// that they are online, by a node that does not say it any more.
	Look(uids []string, known bool)
	// MembersChanged tells that nodes have come or gone, so that others may have to
	// say it. lost are processes that have ended without a goodbye, of which this node is
	// to say so. back: this node was out of the cluster with its clients, and is back.
	MembersChanged(lost []LostNode, back bool)
}

// LostNode is a process of a cluster that has ended without a goodbye, or cannot be
// reached.
type LostNode struct {
	Node     uint16
	Instance uint64
}

// UIDCluster is what a cluster does for UIDWatchers. Any goroutine.
type UIDCluster interface {
	// WatchUIDs sets this node's watcher, before the node starts.
	WatchUIDs(UIDWatcher)
	// Mine tells whether this node says whether a uid is online.
	Mine(uid string) bool
	// Tell calls Look of the nodes that say it of some uids. It returns those for which
	// that was not possible now.
	Tell(ctx context.Context, uids []string, known bool) (untold []string)
	// Counts implements Gateway.
	Counts(ctx context.Context, q Counts) (CountsResult, error)
}
