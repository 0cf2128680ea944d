// Package reason says why connections and deliveries end.
package reason

import (
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
)

// Close says why a client whose handshake was done is gone. Each has a
// metric label and, where the gateway begins the close, a code on the wire:
// one table, so that the lists can't drift apart.
type Close uint8

const (
	None         Close = iota
	Peer               // the client sent a close frame
	Gone               // the connection ended without one
	Kicked             // a Kick
	Replaced           // Bind.KickOld of another client
	Slow               // SendQueue reached with SlowClose
	Protocol           // 1002
	UTF8               // 1007
	TooBig             // 1009
	Policy             // OnMessageClose
	Unbound            // UnboundTimeout
	PingTimeout        // silent for PingInterval+PingTimeout
	Heartbeat          // no message within Config.Heartbeat
	Shutdown           // the gateway stops
	Expired            // its token has ended
	MessageRate        // Policy.MessageRate
	ByteRate           // Policy.ByteRate
	Internal           // a defect of ours met while serving the client
	TLS                // the client broke a rule of TLS
	NoWorker           // Events had nobody to tell
	EventsFull         // Events had no room for a large message
	MessagesFull       // messages that are not whole take all the memory they may
	NumCloses
)

// closeTable holds, by Close, the metric label and the close frame's
// code and text. Code 0: no frame is sent, or the caller brings its own.
var closeTable = [NumCloses]struct {
	label string
	code  ws.StatusCode
	text  string
}{
	None:         {"none", 0, ""},
	Peer:         {"peer_closed", 0, ""},
	Gone:         {"peer_gone", 0, ""},
	Kicked:       {"kicked", 1000, ""},
	Replaced:     {"replaced", 4001, "replaced"},
	Slow:         {"slow", 1008, "slow consumer"},
	Protocol:     {"protocol", 1002, ""},
	UTF8:         {"invalid_utf8", 1007, ""},
	TooBig:       {"too_big", 1009, ""},
	Policy:       {"policy", 1008, "messages are not accepted"},
	Unbound:      {"unbound", 1008, "not bound in time"},
	PingTimeout:  {"ping_timeout", 0, ""},
	Heartbeat:    {"heartbeat", 0, ""},
	Shutdown:     {"shutdown", 1001, "shutting down"},
	Expired:      {"token_expired", 3401, "token expired"},
	MessageRate:  {"message_rate", 1008, "too many messages"},
	ByteRate:     {"byte_rate", 1008, "too many bytes"},
	Internal:     {"internal", 1011, "internal error"},
	TLS:          {"tls", 0, ""},
	NoWorker:     {"no_worker", 0, ""},
	EventsFull:   {"events_full", 1013, "try again later"},
	MessagesFull: {"messages_full", 1013, "try again later"},
}

// Label is the reason's in metrics.
func (r Close) Label() string { return closeTable[r].label }

// Code is the one of the close frame, 0 if no frame is sent.
func (r Close) Code() ws.StatusCode { return closeTable[r].code }

// Frame is the close frame, nil if none is sent or the caller brings its own.
func (r Close) Frame() *frames.Frame { return closeFrames[r] }

// closeFrames are the ready close frames of closeTable.
var closeFrames = func() (f [NumCloses]*frames.Frame) {
	for r, row := range closeTable {
		if row.code != 0 {
			f[r] = frames.Control(codec.AppendClose(nil, row.code, row.text))
		}
	}
	return f
}()

// Drop says why a delivery ended without being written.
type Drop uint8

const (
	DropSlow   Drop = iota // the client was at its SendQueue limit
	DropClosed             // the client was gone before its turn came
	NumDrops
)

// Label is the reason's in metrics.
func (r Drop) Label() string { return dropLabels[r] }

var dropLabels = [NumDrops]string{DropSlow: "slow", DropClosed: "closed"}

// Beside codec's results, handshakes counts sockets that left before it was
// decided, and those that never came so far for want of TLS.
const (
	HandshakeGone = codec.NumHandshakeResults + iota
	HandshakeTLS
	NumHandshakes
)

func HandshakeLabel(i int) string {
	switch i {
	case HandshakeGone:
		return "gone"
	case HandshakeTLS:
		return "no_tls"
	}
	return codec.HandshakeResult(i).String()
}

// EndCode is the code with which a client of a form ends: 1006 without a close frame, 1005
// with one that has no code (RFC 6455 section 7.1.5). f is the close frame, nil without one.
func EndCode(form frames.Form, f *frames.Frame) uint16 {
	if f == nil || form.Plain() {
		return uint16(ws.StatusAbnormalClosure)
	}
	if code := f.CloseCode(); code != 0 {
		return uint16(code)
	}
	return uint16(ws.StatusNoStatusRcvd)
}
