package gateway

import (
	"net/netip"
	"time"
)

// Watcher is told the life of each client whole, in order: Connected, then any
// number of Bound, Unbound and Message, then Disconnected. It takes no part in
// it, but for messages. There may be several.
//
// All but Message are called while the client is locked, Bound and Unbound on any
// goroutine, the others on the event loop that owns the client. They must return
// at once and must not call the server. What they are given lives until they
// return.
type Watcher interface {
	// Connected is called when a client is registered, before it gets its first
	// message. request is the head of its request; nil for clients of listeners that
	// know no handshake. The uid and groups that a token gave it are in c. Where it
	// returns false, nothing more is said of this client.
	Connected(c *Watched, request []byte) bool
	// Bound is called when a client has got a uid, or another one. previous is the uid
	// that it had; "" if it had none.
	Bound(c *Watched, previous string)
	// Unbound is called when a client's uid, which is previous, was taken away.
	Unbound(c *Watched, previous string)
	// Message is called with a whole message, if messages are to be passed on. Of c,
	// only Key, ID and UID are set; it is valid during the call, as payload is.
	Message(c *Watched, binary bool, payload []byte) Taking
	// Disconnected is called when a client's end has begun. c is as it was before
	// anything of it was taken away.
	Disconnected(c *Watched, e *End)
}

// Watched is the client that a Watcher is told of.
type Watched struct {
	// Key is never given to another client of this process.
	Key         uint64
	ID          string
	UID         string   // "" for none
	Groups      []string // the first MaxWatchedGroups of them
	GroupCount  int
	Session     string // JSON object; "" if none was set
	Remote      netip.AddrPort
	ConnectedAt time.Time
}

// MaxWatchedGroups is how many groups of a client a Watcher is told.
const MaxWatchedGroups = 256

// End is how a client ended.
type End struct {
	Reason string // as in Stats.Closes
	// Code is that of the close frame, the peer's if the peer closed: 1005 if it had
	// none. 1006 if no close frame was sent or came (RFC 6455 section 7.1.5).
	Code uint16
	// LastOfUID tells that its uid has no other client now.
	LastOfUID bool
	Traffic
}

// Traffic is what a client has sent and was sent.
type Traffic struct {
	BytesIn, BytesOut       uint64 // of the socket
	MessagesIn, MessagesOut uint64
}
