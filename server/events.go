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
	// Opened is called when a client is connected: registered, its answer not
	// yet written. request is the head of its request as it came, to the empty
	// line and with it; nil for clients of listeners that know no handshake.
	Opened(c EventClient, request []byte)
	// Message is called with a whole message of a client, of at most
	// Config.MaxMessage bytes. Control frames are none.
	Message(c EventClient, binary bool, payload []byte)
	// Closed is called when a client's end has begun: nothing more will come
	// from it, whatever ended it, a Kick and Shutdown included. A client ends
	// in the registry before: its id, uid and groups do not resolve any more
	// when Closed is called. GatewayWorker takes them away just after
	// (protocol.md section 6.3); no application can tell, since what it asks
	// travels behind the event.
	Closed(c EventClient)
}

// EventClient is the client an event is about. A value; keep it as you like.
type EventClient struct {
	// Connection is the client's connection id (protocol.md section 4) with
	// Config.PeerAddress, else 0.
	Connection uint32
	// ClientID is its id in every form of the Gateway interface.
	ClientID string
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
	h := l.handle(slot, c)
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
	e.ClientID = l.srv.ids.string(h, e.Connection)
	return e
}

// opened tells of a new client, if somebody wants to know.
func (l *loop) opened(slot uint32, c *conn, request []byte) {
	if l.srv.config.Events != nil {
		c.set(flagTold)
		l.srv.config.Events.Opened(l.eventClient(slot, c), request)
	}
}

// closed tells of the end of a client that was told of, once.
func (l *loop) closed(slot uint32, c *conn) {
	if c.is(flagTold) {
		c.clear(flagTold)
		e := l.eventClient(slot, c)
		l.srv.registry.forgetSession(l.handle(slot, c))
		l.srv.config.Events.Closed(e)
	}
}
