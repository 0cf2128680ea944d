package gateway

import "net/netip"

// Events is told what clients do, so that a front can pass it on to code that
// runs elsewhere (the GatewayWorker front: to workers). All its methods are
// called on the event loop that owns the client, those of one client in order:
// Opened once, then any number of Message, then Closed once. Clients of
// different loops are told about at the same time. A method must not block and
// must not call a Gateway method that waits for a loop (Client, Push with
// Wait); what it is given in slices lives until it returns.
type Events interface {
	// Admit is asked before a connection from an address becomes a client.
	Admit(from netip.Addr) Admission
	// Opened is called when a client is connected: registered, its answer not
	// yet written. request is the head of its request as it came, to the empty
	// line and with it; nil for clients of listeners that know no handshake.
	Opened(c EventClient, request []byte)
	// Message is called with a whole message of a client, of at most
	// the --max-message bytes. Control frames are none. What it returns decides
	// what becomes of the client.
	Message(c EventClient, binary bool, payload []byte) Taking
	// Closed is called when a client's end has begun: nothing more will come
	// from it, whatever ended it, a Kick and Shutdown included. A client ends
	// in the registry before: its id, uid and groups do not resolve any more
	// when Closed is called. GatewayWorker takes them away just after
	// (docs/gatewayworker-protocol.md section 6.3); no application can tell,
	// since what it asks travels behind the event.
	Closed(c EventClient)
}

// Admission is what Events.Admit answers.
type Admission uint8

// The answers of Events.Admit.
const (
	AdmitNow   Admission = iota
	AdmitLater           // it waits, its request unanswered, until Host.Readmit
	AdmitNever           // refused: 503
)

// Taking says what Events.Message has done with a message.
type Taking uint8

// The answers of Events.Message.
const (
	Taken         Taking = iota
	TakenEnough          // and nothing more is read of the client until Host.Resume
	RefusedLarge         // it can't be passed on at all: the client is closed with 1009
	RefusedFull          // there is no room for it: the client is closed with 1013
	RefusedNobody        // nobody is there to pass it on to: the connection is broken
)

// EventClient is the client an event is about. A value; keep it as you like.
type EventClient struct {
	// Connection is the client's connection id (docs/gatewayworker-protocol.md
	// section 4) where client ids are those of GatewayWorker, else 0.
	Connection uint32
	// Remote is the peer's address, IPv4 never mapped into IPv6. LocalPort is
	// the port of the listener it came by.
	Remote    netip.AddrPort
	LocalPort uint16
	// Session is what PutSessionBytes stored last, "" for none.
	Session string
}

// Host is what a listener to Events tells the event loops. Its methods do not
// block. Any goroutine.
type Host interface {
	// WantMessages says whether Events is told of messages, as it is until this
	// says otherwise. Those that are not wanted are not put together. Once it was
	// called with true, text may be other than UTF-8, as with GatewayWorker.
	WantMessages(wanted bool)
	// SuspendInit says whether new clients go without their first message.
	SuspendInit(suspended bool)
	// Readmit has the connections that wait to be admitted asked for again.
	Readmit()
	// Resume has clients read again of which Events.Message has said TakenEnough,
	// by their connection ids.
	Resume(connections []uint32)
	// Abandon breaks the connections of clients that nobody is there to serve, by
	// their connection ids.
	Abandon(connections []uint32)
}
