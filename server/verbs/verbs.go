// Package verbs is what backends ask for, for the clients of some loops: pushes, kicks,
// uids and groups, sessions and questions.
package verbs

import (
	"sync"
	"sync/atomic"

	"castgate/server/gateway"
	"castgate/server/loop"
)

// Verbs implement gateway.Gateway, less Stats, and gateway.GatewayWorker for the clients of
// some loops. They check names, find whom a call means, and leave the rest to Loops. Any
// goroutine may call them.
type Verbs struct {
	loops  *loop.Loops
	names  NameLimit
	config Config
	peer   bool // other nodes ask
	*shared
}

// shared is what Verbs and their ForPeers have together.
type shared struct {
	sessions [sessionLocks]sync.Mutex // by slot: of changes of JSON sessions
	pushes   pushCounts
	stopped  atomic.Bool // pushes are refused
}

// pushCounts are how pushes ended.
type pushCounts struct{ taken, unmatched, refused atomic.Uint64 }

// note counts a push that was taken or not: err says why.
func (n *pushCounts) note(err error) {
	switch err {
	case loop.ErrBusy:
		n.refused.Add(1)
	case nil:
		n.taken.Add(1)
	}
}

// Config is what Verbs are told at their start.
type Config struct {
	Names  NameLimit
	Node   uint16 // the gateway's number in a cluster
	Shared bool   // other nodes have clients too
}

// New makes the verbs for the clients of some loops.
func New(loops *loop.Loops, c Config) *Verbs {
	return &Verbs{loops: loops, names: c.Names, config: c, shared: &shared{}}
}

// ForPeers are the same verbs for what other nodes have taken at their own doors: names
// may be as long as any node allows, and pushes are counted where they were taken.
func (v *Verbs) ForPeers() *Verbs {
	return &Verbs{loops: v.loops, names: gateway.MaxPeerNameLen, config: v.config, peer: true, shared: v.shared}
}

// RefusePushes has pushes answered CodeStopping from now on. Any goroutine.
func (s *shared) RefusePushes() { s.stopped.Store(true) }

// AddTo adds what pushes were counted to a reading. Any goroutine.
func (s *shared) AddTo(st *gateway.Stats) {
	st.Pushes, st.PushesUnmatched, st.PushesRefused = s.pushes.taken.Load(), s.pushes.unmatched.Load(), s.pushes.refused.Load()
}
