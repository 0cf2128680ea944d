package server

import (
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
)

// closeReason says why a client whose handshake was done is gone. Each has a
// metric label and, where the gateway begins the close, a code on the wire:
// one table, so that the lists can't drift apart.
type closeReason uint8

const (
	closeNone         closeReason = iota
	closePeer                     // the client sent a close frame
	closeGone                     // the connection ended without one
	closeKicked                   // a Kick
	closeReplaced                 // Bind.KickOld of another client
	closeSlow                     // SendQueue reached with SlowClose
	closeProtocol                 // 1002
	closeUTF8                     // 1007
	closeTooBig                   // 1009
	closePolicy                   // OnMessageClose
	closeUnbound                  // UnboundTimeout
	closePingTimeout              // silent for PingInterval+PingTimeout
	closeHeartbeat                // no message within Config.Heartbeat
	closeShutdown                 // the gateway stops
	closeExpired                  // its token has ended
	closeMessageRate              // Policy.MessageRate
	closeByteRate                 // Policy.ByteRate
	closeInternal                 // a defect of ours met while serving the client
	closeTLS                      // the client broke a rule of TLS
	closeNoWorker                 // Events had nobody to tell
	closeEventsFull               // Events had no room for a large message
	closeMessagesFull             // messages that are not whole take all the memory they may
	numCloseReasons
)

// closeTable holds, by closeReason, the metric label and the close frame's
// code and text. Code 0: no frame is sent, or the caller brings its own.
var closeTable = [numCloseReasons]struct {
	label string
	code  ws.StatusCode
	text  string
}{
	closeNone:         {"none", 0, ""},
	closePeer:         {"peer_closed", 0, ""},
	closeGone:         {"peer_gone", 0, ""},
	closeKicked:       {"kicked", 1000, ""},
	closeReplaced:     {"replaced", 4001, "replaced"},
	closeSlow:         {"slow", 1008, "slow consumer"},
	closeProtocol:     {"protocol", 1002, ""},
	closeUTF8:         {"invalid_utf8", 1007, ""},
	closeTooBig:       {"too_big", 1009, ""},
	closePolicy:       {"policy", 1008, "messages are not accepted"},
	closeUnbound:      {"unbound", 1008, "not bound in time"},
	closePingTimeout:  {"ping_timeout", 0, ""},
	closeHeartbeat:    {"heartbeat", 0, ""},
	closeShutdown:     {"shutdown", 1001, "shutting down"},
	closeExpired:      {"token_expired", 3401, "token expired"},
	closeMessageRate:  {"message_rate", 1008, "too many messages"},
	closeByteRate:     {"byte_rate", 1008, "too many bytes"},
	closeInternal:     {"internal", 1011, "internal error"},
	closeTLS:          {"tls", 0, ""},
	closeNoWorker:     {"no_worker", 0, ""},
	closeEventsFull:   {"events_full", 1013, "try again later"},
	closeMessagesFull: {"messages_full", 1013, "try again later"},
}

// closeFrames are the ready close frames of closeTable.
var closeFrames = func() (f [numCloseReasons]*frames.Frame) {
	for r, row := range closeTable {
		if row.code != 0 {
			f[r] = frames.Control(codec.AppendClose(nil, row.code, row.text))
		}
	}
	return f
}()

// dropReason says why a delivery ended without being written.
type dropReason uint8

const (
	dropSlow   dropReason = iota // the client was at its SendQueue limit
	dropClosed                   // the client was gone before its turn came
	numDropReasons
)

var dropLabels = [numDropReasons]string{dropSlow: "slow", dropClosed: "closed"}

// Beside codec's results, handshakes counts sockets that left before it was
// decided, and those that never came so far for want of TLS.
const (
	handshakeGone = codec.NumHandshakeResults + iota
	handshakeTLS
	numHandshakes
)

func handshakeLabel(i int) string {
	switch i {
	case handshakeGone:
		return "gone"
	case handshakeTLS:
		return "no_tls"
	}
	return codec.HandshakeResult(i).String()
}
