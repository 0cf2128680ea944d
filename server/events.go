package server

import "net/netip"

// Events is told what clients do, so that a front can pass it on to code that
// runs elsewhere (the GatewayWorker front: to workers). All its methods are
// called on the event loop that owns the client, those of one client in order:
// Opened once, then any number of Message, then Closed once. Clients of
// different loops are told about at the same time. A method must not block and
// must not call a Gateway method that waits for a loop (Client, Push with
// Wait); what it is given in slices lives until it returns.
type Events interface {
	// Admit is asked before a connection becomes a client.
	Admit() Admission
	// Opened is called when a client is connected: registered, its answer not
	// yet written. request is the head of its request as it came, to the empty
	// line and with it; nil for clients of listeners that know no handshake.
	Opened(c EventClient, request []byte)
	// Message is called with a whole message of a client, of at most
	// Config.MaxMessage bytes. Control frames are none. What it returns decides
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

// WantMessages says whether Events is told of messages, as it is until this says
// otherwise. Those that are not wanted are not put together. Once it was called
// with true, text may be other than UTF-8, as with GatewayWorker. Any goroutine.
func (s *Server) WantMessages(wanted bool) {
	s.unwanted.Store(!wanted)
	s.anyText.Store(wanted)
}

// Admission is what Events.Admit answers.
type Admission uint8

// The answers of Events.Admit.
const (
	AdmitNow   Admission = iota
	AdmitLater           // it waits, its request unanswered, until Server.Readmit
	AdmitNever           // refused: 503
)

// Taking says what Events.Message has done with a message.
type Taking uint8

// The answers of Events.Message.
const (
	Taken         Taking = iota
	TakenEnough          // and nothing more is read of the client until Server.Resume
	RefusedLarge         // it can't be passed on at all: the client is closed with 1009
	RefusedFull          // there is no room for it: the client is closed with 1013
	RefusedNobody        // nobody is there to pass it on to: the connection is broken
)

// EventClient is the client an event is about. A value; keep it as you like.
type EventClient struct {
	// Connection is the client's connection id (docs/gatewayworker-protocol.md
	// section 4) with Config.PeerAddress, else 0.
	Connection uint32
	// Remote is the peer's address, IPv4 never mapped into IPv6. LocalPort is
	// the port of the listener it came by.
	Remote    netip.AddrPort
	LocalPort uint16
	// Session is what PutSessionBytes stored last, "" for none.
	Session string
}

// eventClient makes the value for an event. The loop's goroutine, for a
// connection whose slot it holds.
func (l *loop) eventClient(slot uint32, c *conn) EventClient {
	ch := l.slots.chunkAt(slot)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	e := EventClient{
		Connection: cl.connection,
		Remote:     netip.AddrPortFrom(netip.AddrFrom16(cl.addr).Unmap(), cl.port),
		LocalPort:  l.srv.localPort(cl.endpoint),
	}
	if cl.session != nil {
		e.Session = cl.session.bytes
	}
	ch.mu.Unlock()
	return e
}

// opened tells of a new client, if somebody wants to know.
func (l *loop) opened(slot uint32, c *conn, request []byte) {
	if l.srv.config.Events != nil {
		c.set(flagTold)
		l.srv.config.Events.Opened(l.eventClient(slot, c), request)
	}
}

// tell passes a message of a client on. It returns whether to go on with the
// client, and whether it has sent enough for now.
func (l *loop) tell(slot uint32, c *conn, binary bool, message []byte) (goOn, enough bool) {
	switch l.srv.config.Events.Message(l.eventClient(slot, c), binary, message) {
	case TakenEnough:
		return true, true
	case RefusedLarge:
		l.refuseMessage(slot, c, closeTooBig)
		return false, false
	case RefusedFull:
		l.refuseMessage(slot, c, closeEventsFull)
		return false, false
	case RefusedNobody:
		l.abort(slot, c, closeNoWorker)
		return false, false
	}
	return true, false
}

// refuseMessage closes a client for a message that is not taken. What it sends
// behind that is not looked at.
func (l *loop) refuseMessage(slot uint32, c *conn, why closeReason) {
	c.set(flagDeaf)
	l.startClose(slot, c, why, closeFrames[why], false)
}
