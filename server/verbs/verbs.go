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
	loops    *loop.Loops
	names    NameLimit
	config   Config
	sessions [sessionLocks]sync.Mutex // by slot: of changes of JSON sessions
	pushes   pushCounts
	stopped  atomic.Bool // pushes are refused
}

// pushCounts are how pushes ended.
type pushCounts struct{ taken, unmatched, refused atomic.Uint64 }

// note counts a push, which matched so many or was not taken: err says why.
func (n *pushCounts) note(matched int, err error) {
	switch {
	case err == loop.ErrBusy:
		n.refused.Add(1)
	case err == nil:
		n.taken.Add(1)
		if matched == 0 {
			n.unmatched.Add(1)
		}
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
	return &Verbs{loops: loops, names: c.Names, config: c}
}

// RefusePushes has pushes answered CodeStopping from now on. Any goroutine.
func (v *Verbs) RefusePushes() { v.stopped.Store(true) }

// AddTo adds what pushes were counted to a reading. Any goroutine.
func (v *Verbs) AddTo(st *gateway.Stats) {
	st.Pushes, st.PushesUnmatched, st.PushesRefused = v.pushes.taken.Load(), v.pushes.unmatched.Load(), v.pushes.refused.Load()
}
