package gateway

import "context"

// UIDWatcher is a part of a node that says which uids are online in its cluster: of
// each uid, one node says it. Its methods do not block; any goroutine calls them.
type UIDWatcher interface {
	// Look asks it to look whether uids are online in the cluster, since another node
	// has seen their first client come or their last one go.
	Look(uids []UIDLook)
	// MembersChanged tells that nodes have come or gone, so that others may have to
	// say it. lost are processes that have ended without a goodbye, of which this node is
	// to say so. back: this node was out of the cluster with its clients, and is back.
	MembersChanged(lost []LostNode, back bool)
}

// UIDLook is a uid to be looked at.
type UIDLook struct {
	UID string
	// Known tells that it was said before to be online, by a node that does not say it
	// any more.
	Known bool
	// Stamp stands for the client that was the first of the uid: who says of the uid what
	// somebody else says as well, says it by the same stamp. The earliest is the lowest; 0
	// is none.
	Stamp uint64
}

// LostNode is a process of a cluster that has ended without a goodbye, or cannot be
// reached.
type LostNode struct {
	Node     uint16
	Instance uint64
	// Stamp stands for this loss, whoever tells of it. The same process may be lost again.
	Stamp uint64
}

// UIDCluster is what a cluster does for UIDWatchers. Any goroutine.
type UIDCluster interface {
	// WatchUIDs sets this node's watcher, before the node starts.
	WatchUIDs(UIDWatcher)
	// Mine tells whether this node says whether a uid is online.
	Mine(uid string) bool
	// Tell calls Look of the nodes that say it of some uids. It returns those for which
	// that was not possible now.
	Tell(ctx context.Context, looks []UIDLook) (untold []UIDLook)
	// Counts implements Gateway.
	Counts(ctx context.Context, q Counts) (CountsResult, error)
}
