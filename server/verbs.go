package server

import (
	"sync"
	"sync/atomic"
)

// Verbs implement gateway.Gateway, less Stats, and gateway.GatewayWorker for the clients of
// some loops. They check names, find whom a call means, and leave the rest to Loops. Any
// goroutine may call them.
type Verbs struct {
	*Loops
	names    nameLimit
	sessions [sessionLocks]sync.Mutex // by slot: of changes of JSON sessions

	pushes    atomic.Uint64
	unmatched atomic.Uint64 // pushes for nobody
	refused   atomic.Uint64 // pushes answered CodeBusy
	stopped   atomic.Bool   // pushes are refused
}
