package server

import (
	"sync/atomic"

	"castgate/server/token"
	"castgate/server/transport"
)

// counters are one loop's. The loop writes them, but for matched, which the
// pushers write; anyone reads. They fill their cache lines alone.
type counters struct {
	_           [64]byte
	matched     atomic.Uint64
	_           [56]byte
	written     atomic.Uint64
	dropped     [numDropReasons]atomic.Uint64
	queuedBytes atomic.Int64
	headBytes   atomic.Int64 // what loop.heads holds
	writes      atomic.Uint64
	bytesOut    atomic.Uint64
	bytesIn     atomic.Uint64
	messagesIn  atomic.Uint64
	putOff      atomic.Uint64
	pings       atomic.Uint64
	panics      atomic.Uint64
	lag         atomic.Int64 // nanoseconds
	connections atomic.Int64
	waiters     atomic.Int64  // connections that wait to be admitted
	held        atomic.Uint64 // times a client was not read any more for a while
	handshakes  [numHandshakes]atomic.Uint64
	tokens      [token.NumReasons]atomic.Uint64
	tls         [transport.NumResults]atomic.Uint64
	closes      [numCloseReasons]atomic.Uint64
	inflate     inflateCounters
	// Of the drain: see drained.
	unanswered, cutOff, notReading atomic.Uint64
	_                              [64]byte
}
