package gatewayworker

import (
	"errors"
	"sync/atomic"

	wire "castgate/codec/gatewayworker"
)

// closeReason is why an inner connection has ended.
type closeReason uint8

const (
	closePeer         closeReason = iota // the peer closed it
	closeUnauthorized                    // no key or a wrong one
	closeSilent                          // no complete command within SilentTimeout
	closeStalled                         // an incomplete frame for StallTimeout
	closeUnread                          // replies not read for StallTimeout
	closeFull                            // MaxConns or MaxSilent
	closeHeld                            // MaxHeld
	closeReplies                         // MaxAllReplies
	closeShort                           // a frame shorter than its header
	closeLong                            // a frame over wire.MaxFrame
	closeExt                             // ext longer than its frame
	closeBadWorker                       // a worker_key that is too long
	closeReplaced                        // another worker attached under the same key
	closeShutdown
	closeReasons
)

var closeNames = [closeReasons]string{
	"peer", "unauthorized", "silent", "stalled", "unread", "full", "half_frames", "replies",
	"frame_short", "frame_long", "frame_ext", "worker_key", "replaced", "shutdown",
}

// frameFault maps an error of wire.FrameReader to its reason.
func frameFault(err error) closeReason {
	switch {
	case errors.Is(err, wire.ErrFrameLong):
		return closeLong
	case errors.Is(err, wire.ErrFrameExt):
		return closeExt
	}
	return closeShort
}

// ignoreReason is why a command had no effect.
type ignoreReason uint8

const (
	ignoreUnknown ignoreReason = iota // not a command for a gateway
	ignoreOffline                     // the client is not connected
	ignoreEmpty                       // an empty uid or group
	ignoreName                        // a uid or group longer than gateway.MaxPeerNameLen
	ignoreBody                        // a body that contains no message
	ignoreSession                     // a session that cannot be merged, or is too large
	ignoreGroups                      // already in gateway.MaxGroupsPerClient groups
	ignoreFailed                      // the gateway refused it: busy or stopping
	ignoreReasons
)

var ignoreNames = [ignoreReasons]string{"unknown_command", "offline", "empty_name", "long_name", "body", "session", "too_many_groups", "refused"}

// dropReason is why an event did not reach a worker.
type dropReason uint8

const (
	dropNoWorker dropReason = iota // none has attached in time; the client was closed
	dropHead                       // a request head that cannot be expressed in PHP's form
	dropReasons
)

var dropNames = [dropReasons]string{"no_worker", "request"}

// refuseReason is why a message was refused and its client closed.
type refuseReason uint8

const (
	refuseLarge refuseReason = iota // message and session do not fit into a frame
	refuseFull                      // EventQueue is full, and the message is large
	refuseReasons
)

var refuseNames = [refuseReasons]string{"too_large", "queue"}

// counters are written by the inner loop, or by event loops through the queue. Any
// goroutine may read them.
type counters struct {
	connections, workers, stuck, held, waiting atomic.Int64

	accepted, acceptErrors, attaches, bytesIn, bytesOut, events, unserved, busyWaits, fullWaits, steps, holds, stalls atomic.Uint64

	commands   [256]atomic.Uint64 // by command
	closes     [closeReasons]atomic.Uint64
	ignored    [ignoreReasons]atomic.Uint64
	eventDrops [dropReasons]atomic.Uint64
	refusals   [refuseReasons]atomic.Uint64
}
