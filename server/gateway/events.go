package gateway

import "net/netip"

// Events receives what clients do, so that a front can pass it on to code that
// runs elsewhere (the GatewayWorker front: to workers). All its methods are
// called on the event loop that owns the client, and for one client in order:
// Opened once, then any number of Message, then Closed once. Calls about
// clients of different loops are concurrent. A method must not block and must
// not call a Gateway method that waits for a loop (Client, Push with Wait).
// Slices passed to it are valid until it returns.
type Events interface {
	// Admit is asked before a connection from an address becomes a client.
	Admit(from netip.Addr) Admission
	// Opened is called when a client is connected: it is registered, but its
	// handshake response is not written yet. request is the head of its request
	// as it came, up to and including the empty line; nil for clients of
	// listeners without a handshake.
	Opened(c EventClient, request []byte)
	// Message is called with a whole message of a client, of at most
	// max-message bytes. Control frames are not messages. The result decides
	// what happens to the client.
	Message(c EventClient, binary bool, payload []byte) Taking
	// Closed is called when a client's end has begun, whatever caused it,
	// including Kick and Shutdown: nothing more will come from it. The client
	// has already left the registry: its id, uid and groups no longer resolve.
	// GatewayWorker removes them just afterwards
	// (docs/gatewayworker-protocol.md section 6.3); no application can tell the
	// difference, since its queries travel behind the event.
	Closed(c EventClient)
}

// Admission is the result of Events.Admit.
type Admission uint8

// The results of Events.Admit.
const (
	AdmitNow   Admission = iota
	AdmitLater           // it waits, its request unanswered, until Host.Readmit
	AdmitNever           // refused: 503
)

// Taking says what Events.Message has done with a message.
type Taking uint8

// The results of Events.Message.
const (
	Taken         Taking = iota
	TakenEnough          // taken, and the client is not read until Host.Resume
	RefusedLarge         // too large to be passed on: the client is closed with 1009
	RefusedFull          // no room for it: the client is closed with 1013
	RefusedNobody        // no worker to pass it on to: the connection is aborted
)

// EventClient is the client an event is about. It is a value and may be kept.
type EventClient struct {
	// Connection is the client's connection id (docs/gatewayworker-protocol.md
	// section 4) where client ids are those of GatewayWorker, otherwise 0.
	Connection uint32
	// Remote is the peer's address, never an IPv4 address mapped into IPv6.
	// LocalPort is the port of the listener that accepted it.
	Remote    netip.AddrPort
	LocalPort uint16
	// Session is what PutSessionBytes last stored, "" for none.
	Session string
}

// Host is what the receiver of Events tells the event loops. Its methods do not
// block and may be called from any goroutine.
type Host interface {
	// WantMessages says whether Events receives messages; it does until this is
	// called with false. Messages that nobody wants are not assembled. After
	// the first call with true, text messages need not be UTF-8, as with
	// GatewayWorker.
	WantMessages(wanted bool)
	// SuspendInit says whether new clients are opened without the init message.
	SuspendInit(suspended bool)
	// Readmit asks Admit again for the connections that wait.
	Readmit()
	// Resume reads again from clients for which Events.Message returned
	// TakenEnough, by their connection ids.
	Resume(connections []uint32)
	// Abandon aborts the connections of clients that no worker serves, by their
	// connection ids.
	Abandon(connections []uint32)
}
