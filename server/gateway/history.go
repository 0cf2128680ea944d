package gateway

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Historian is what fronts may ask of what became of clients and messages lately, and
// watch of what happens now. Any goroutine may call its methods. Every error is an
// *Error, or of a cluster an *Incomplete.
type Historian interface {
	// Explain returns what is remembered of a uid or of a client, which may be gone; in
	// a cluster what all nodes remember. CodeInvalidName if neither or both are named.
	Explain(ctx context.Context, q Explain) (Explanation, error)
	// Tail begins to watch this node. CodeBusy: as many watch already as may.
	Tail(f TailFilter) (Tail, error)
	// Pushed takes note of what a push has matched on all nodes, or on those that have
	// answered if that is not complete. A gateway notices that by itself; only those that
	// are nodes of a cluster must be told.
	Pushed(p *Push, matched int, complete bool)
}

// Explain is the argument of Historian.Explain: one of the two.
type Explain struct{ UID, ClientID string }

// MaxExplained is how many rows of each kind an Explanation has.
const MaxExplained = 100

// Explanation is the result of Historian.Explain: the newest come first, at most
// MaxExplained of each kind.
type Explanation struct {
	Node uint16 // that was asked
	// Since is from when on every end is remembered.
	Since time.Time
	// Connected are the ids of the clients that are connected.
	Connected []string
	Ends      []PastEnd
	Drops     []PastDrop
	Misses    []PastMiss // one at most
}

// Add adds what another node remembers.
func (x *Explanation) Add(o *Explanation) {
	if o.Since.After(x.Since) {
		x.Since = o.Since
	}
	x.Connected = append(x.Connected, o.Connected...)
	x.Ends, x.Drops = append(x.Ends, o.Ends...), append(x.Drops, o.Drops...)
	x.Arrange()
	for _, m := range o.Misses {
		if len(x.Misses) == 0 {
			x.Misses = []PastMiss{m}
			continue
		}
		all := &x.Misses[0]
		if all.Count += m.Count; m.First.Before(all.First) {
			all.First = m.First
		}
		if m.Last.After(all.Last) {
			all.Last = m.Last
		}
	}
}

// Arrange puts the newest first and leaves out what is more than an Explanation has.
func (x *Explanation) Arrange() {
	slices.SortStableFunc(x.Ends, func(a, b PastEnd) int { return b.At.Compare(a.At) })
	slices.SortStableFunc(x.Drops, func(a, b PastDrop) int { return b.Last.Compare(a.Last) })
	x.Connected = x.Connected[:min(len(x.Connected), MaxExplained)]
	x.Ends, x.Drops = x.Ends[:min(len(x.Ends), MaxExplained)], x.Drops[:min(len(x.Drops), MaxExplained)]
}

// PastEnd is the end of a client.
type PastEnd struct {
	Node        uint16
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
	Node        uint16
	First, Last time.Time
	ClientID    string
	UID         string // "" for none, when it began
	Reason      string // as in Stats.Dropped
	Count       uint64
	// QueuedBytes and QueuedFrames waited for its socket at the last of them.
	QueuedBytes, QueuedFrames int
}

// PastMiss is pushes to a name that matched no client. In a cluster the node that was
// asked to push remembers those of which no node had a client.
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
	Matched int     // clients; of all nodes, where the push was asked for
	Bytes   int
	Binary  bool
}

// Limits of a Happening.
const (
	MaxToldGroups = 16
	MaxToldNames  = 8
	MaxToldAgent  = 256
)
