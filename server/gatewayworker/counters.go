package gatewayworker

import (
	"errors"
	"sync/atomic"

	wire "castgate/codec/gatewayworker"
)

// closeReason says why an inner connection has ended.
type closeReason uint8

const (
	closePeer         closeReason = iota // the peer did
	closeUnauthorized                    // no or a wrong key
	closeSilent                          // no whole command within SilentTimeout
	closeStalled                         // half a frame, StallTimeout long
	closeUnread                          // replies not read, StallTimeout long
	closeFull                            // MaxConns or MaxSilent
	closeHeld                            // MaxHeld
	closeReplies                         // MaxAllReplies
	closeShort                           // a frame shorter than its header
	closeLong                            // a frame over wire.MaxFrame
	closeExt                             // ext longer than its frame
	closeBadWorker                       // a worker_key that is too long
	closeReplaced                        // a worker came under the same key
	closeShutdown
	closeReasons
)

var closeNames = [closeReasons]string{
	"peer", "unauthorized", "silent", "stalled", "unread", "full", "half_frames", "replies",
	"frame_short", "frame_long", "frame_ext", "worker_key", "replaced", "shutdown",
}

// frameFault is the reason for an error of wire.FrameReader.
func frameFault(err error) closeReason {
	switch {
	case errors.Is(err, wire.ErrFrameLong):
		return closeLong
	case errors.Is(err, wire.ErrFrameExt):
		return closeExt
	}
	return closeShort
}

// ignoreReason says why a command has done nothing.
type ignoreReason uint8

const (
	ignoreUnknown ignoreReason = iota // no command for a gateway
	ignoreOffline                     // the client is not connected
	ignoreEmpty                       // an empty uid or group
	ignoreName                        // a uid or group over gateway.MaxPeerNameLen
	ignoreBody                        // a body without a message
	ignoreSession                     // a session that can't be merged, or is too large
	ignoreGroups                      // in gateway.MaxGroupsPerClient groups already
	ignoreFailed                      // the gateway refused: busy or stopping
	ignoreReasons
)

var ignoreNames = [ignoreReasons]string{"unknown_command", "offline", "empty_name", "long_name", "body", "session", "too_many_groups", "refused"}

// dropReason says why an event has not reached a worker.
type dropReason uint8

const (
	dropNoWorker dropReason = iota // none has come in time; the client was closed
	dropHead                       // a request head that has no PHP form
	dropReasons
)

var dropNames = [dropReasons]string{"no_worker", "request"}

// refuseReason says why a message was not taken and its client closed.
type refuseReason uint8

const (
	refuseLarge refuseReason = iota // message and session are over a frame
	refuseFull                      // EventQueue, and the message is a large one
	refuseReasons
)

var refuseNames = [refuseReasons]string{"too_large", "queue"}

// counters are written by the inner loop, or by event loops through the queue,
// and read by anybody.
type counters struct {
	connections, workers, stuck, held, waiting atomic.Int64

	accepted, acceptErrors, attaches, bytesIn, bytesOut, events, unserved, busyWaits, fullWaits, steps, holds, stalls atomic.Uint64

	commands   [256]atomic.Uint64 // by command
	closes     [closeReasons]atomic.Uint64
	ignored    [ignoreReasons]atomic.Uint64
	eventDrops [dropReasons]atomic.Uint64
	refusals   [refuseReasons]atomic.Uint64
}
