package gateway

import (
	"context"
	"net/netip"
	"time"
)

// Historian is what fronts may ask of what became of clients and messages lately, and
// watch of what happens now. All of it is of one node. Any goroutine may call its
// methods; every error is an *Error.
type Historian interface {
	// Explain returns what is remembered of a uid or of a client, which may be gone.
	// CodeInvalidName if neither or both are named.
	Explain(ctx context.Context, q Explain) (Explanation, error)
	// Tail begins to watch. CodeBusy: as many watch already as may.
	Tail(f TailFilter) (Tail, error)
}

// Explain is the argument of Historian.Explain: one of the two.
type Explain struct{ UID, ClientID string }

// Explanation is the result of Historian.Explain: the newest come first.
type Explanation struct {
	Node uint16
	// Since is from when on every end is remembered.
	Since time.Time
	// Connected are the ids of the clients that are connected, at most 100.
	Connected []string
	Ends      []PastEnd
	Drops     []PastDrop
	Misses    []PastMiss
}

// PastEnd is the end of a client.
type PastEnd struct {
	At          time.Time
	ClientID    string
	UID         string // "" for none
	Remote      netip.AddrPort
	ConnectedAt time.Time
	Reason      string // as in Stats.Closes
	Code        uint16 // of the close frame; 1005 if it had none, 1006 without a frame
	// QueuedBytes and QueuedFrames waited for its socket when the end began.
	QueuedBytes, QueuedFrames int
}

// PastDrop is messages that a client was not sent while it was connected.
type PastDrop struct {
	First, Last time.Time
	ClientID    string
	UID         string // "" for none, when it began
	Reason      string // as in Stats.Dropped
	Count       uint64
	// QueuedBytes and QueuedFrames waited for its socket at the last of them.
	QueuedBytes, QueuedFrames int
}

// PastMiss is pushes to a name that matched no client. A node of a cluster remembers
// none: others may have had the client.
type PastMiss struct {
	First, Last time.Time
	Count       uint64
}

// TailFilter chooses what a Tail tells; its zero value all. What is named must hold all
// together.
type TailFilter struct {
	UID, Group string
	// Address is where the client's connection comes from. Pushes come from nowhere, so
	// they are left out if it is valid.
	Address netip.Prefix
}

// Tail is somebody who watches. Its methods may be called from any goroutine.
type Tail interface {
	// Next is where happenings come; it is never closed. Whoever reads too slowly
	// misses some.
	Next() <-chan Happening
	// Dropped is how many were missed in all.
	Dropped() uint64
	// Close ends it. It may be called again.
	Close()
}

// The kinds of Happening.
const (
	Connected = "connect"
	WasBound  = "bind"
	Unbound   = "unbind"
	Ended     = "end"
	Pushed    = "push"
)

// Happening is one thing that a Tail tells. It and what it holds belong to the reader
// and must not be changed, since others are told the same.
type Happening struct {
	At   time.Time
	Kind string

	// Of a client; all kinds but Pushed.
	ClientID  string
	UID       string   // "" for none
	Previous  string   // WasBound and Unbound: the uid that it had
	Groups    []string // the first MaxToldGroups of them
	Remote    netip.AddrPort
	UserAgent string // Connected: as it was sent, at most MaxToldAgent bytes
	// End is set if the kind is Ended.
	End *PastEnd

	// Of a push.
	To      Targets // its lists have at most MaxToldNames names
	Names   int     // how many names To had
	Matched int     // clients of this node
	Bytes   int
	Binary  bool
}

// Limits of a Happening.
const (
	MaxToldGroups = 16
	MaxToldNames  = 8
	MaxToldAgent  = 256
)
