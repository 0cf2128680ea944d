package server

import (
	"net/netip"

	"castgate/server/gateway"
)

// WantMessages says whether Events is told of messages, as it is until this says
// otherwise. Those that are not wanted are not put together. Once it was called
// with true, text may be other than UTF-8, as with GatewayWorker. Any goroutine.
func (s *Server) WantMessages(wanted bool) {
	s.unwanted.Store(!wanted)
	s.anyText.Store(wanted)
}

// eventClient makes the value for an event. The loop's goroutine, for a
// connection whose slot it holds.
func (l *loop) eventClient(slot uint32, c *conn) gateway.EventClient {
	ch := l.slots.chunkAt(slot)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	e := gateway.EventClient{
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
	case gateway.TakenEnough:
		return true, true
	case gateway.RefusedLarge:
		l.refuseMessage(slot, c, closeTooBig)
		return false, false
	case gateway.RefusedFull:
		l.refuseMessage(slot, c, closeEventsFull)
		return false, false
	case gateway.RefusedNobody:
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
