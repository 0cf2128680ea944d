package codec

import "github.com/gobwas/ws"

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events.
const (
	EventNone  EventKind = iota // more bytes are needed
	EventData                   // a piece of a message
	EventPing                   // a ping, to be answered with its payload
	EventPong                   // a pong
	EventClose                  // a close frame; ignore what follows
)

// Event is one thing that a peer has sent.
type Event struct {
	Kind EventKind

	// Of EventData. An empty message is one event with First and Last and no
	// bytes; an empty fragment that does not end a message is none.
	Op    ws.OpCode // ws.OpText or ws.OpBinary, of the message, on every piece of it
	First bool      // first piece of the message
	Last  bool      // last piece of the message
	// Deflated is true on every piece of a compressed message: Data is still
	// compressed, for an [Inflation], and text has not been checked.
	Deflated bool

	// Data is, for EventData, the unmasked piece: part of the input, valid
	// until the caller reuses that. For EventPing and EventPong it is the
	// payload, valid until the next call of [Parser.Next].
	Data []byte

	// Of EventClose. Code is 1005 if the peer sent none; Reason is UTF-8, valid
	// until the next call of [Parser.Next].
	Code   ws.StatusCode
	Reason []byte
}
