package server

import (
	"net/netip"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
)

// messages says what a client's message does: as configured it is counted, echoed,
// refused, or told to Config.Events.
type messages struct {
	loop      *loop
	onMessage OnMessage
	events    gateway.Events // nil: nobody is told
}

// WantMessages says whether Events is told of messages, as it is until this says
// otherwise. Those that are not wanted are not put together. Once it was called
// with true, text may be other than UTF-8, as with GatewayWorker. Any goroutine.
func (s *Loops) WantMessages(wanted bool) {
	s.unwanted.Store(!wanted)
	s.anyText.Store(wanted)
}

// eventClient makes the value for an event. The loop's goroutine, for a
// connection whose slot it holds.
func (m *messages) eventClient(slot uint32, c *conn) gateway.EventClient {
	ch := m.loop.slots.chunkAt(slot)
	cl := &ch.clients[slot%chunkLen]
	ch.mu.Lock()
	e := gateway.EventClient{
		Connection: cl.connection,
		Remote:     netip.AddrPortFrom(netip.AddrFrom16(cl.addr).Unmap(), cl.port),
		LocalPort:  m.loop.srv.ports[cl.endpoint],
	}
	if cl.session != nil {
		e.Session = cl.session.bytes
	}
	ch.mu.Unlock()
	return e
}

// opened tells of a new client, if somebody wants to know.
func (m *messages) opened(slot uint32, c *conn, request []byte) {
	m.loop.lives.introduce(slot, c, request)
	m.loop.watchConnected(slot, c, request)
	if m.events != nil {
		c.set(flagTold)
		m.events.Opened(m.eventClient(slot, c), request)
	}
}

// countIn counts a message of a client.
func (m *messages) countIn(slot uint32) {
	m.loop.count.messagesIn.Add(1)
	m.loop.lives.countIn(slot)
}

// tells tells whether somebody is told of a client's messages.
func (m *messages) tells(c *conn) bool { return c.is(flagTold) || m.onMessage == OnMessageForward }

// pass tells of a message whoever is to be told. It returns whether to go on with
// the client, and whether it has sent enough for now.
func (m *messages) pass(slot uint32, c *conn, binary bool, message []byte) (goOn, enough bool) {
	if m.onMessage == OnMessageForward {
		return m.loop.lives.forward(slot, c, binary, message)
	}
	return m.afterTelling(slot, c, m.events.Message(m.eventClient(slot, c), binary, message))
}

// afterTelling acts on what became of a message; see pass.
func (m *messages) afterTelling(slot uint32, c *conn, taking gateway.Taking) (goOn, enough bool) {
	switch taking {
	case gateway.TakenEnough:
		return true, true
	case gateway.RefusedLarge:
		m.refuseMessage(slot, c, closeTooBig)
		return false, false
	case gateway.RefusedFull:
		m.refuseMessage(slot, c, closeEventsFull)
		return false, false
	case gateway.RefusedNobody:
		m.loop.exit.abort(slot, c, closeNoWorker)
		return false, false
	}
	return true, false
}

// refuseMessage closes a client for a message that is not taken. What it sends
// behind that is not looked at.
func (m *messages) refuseMessage(slot uint32, c *conn, why closeReason) {
	c.set(flagDeaf)
	m.loop.exit.startClose(slot, c, why, closeFrames[why], false)
}

// onData acts on a piece of a message as Config.OnMessage says.
func (m *messages) onData(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	if ev.Last {
		m.loop.heart.heard(c)
	}
	switch m.onMessage {
	case OnMessageClose:
		m.countIn(slot)
		m.loop.exit.startClose(slot, c, closePolicy, closeFrames[closePolicy], false)
		return false
	case OnMessageEcho, OnMessageForward:
		return m.wholeMessage(slot, c, in, ev)
	}
	if m.events != nil && !m.loop.srv.unwanted.Load() && (ev.First || in.message != nil) {
		return m.wholeMessage(slot, c, in, ev)
	}
	if ev.Last {
		m.countIn(slot)
	}
	return true
}

// plainMessage acts on a message. It returns whether to go on.
func (m *messages) plainMessage(slot uint32, c *conn, message []byte) bool {
	m.countIn(slot)
	m.loop.heart.heard(c)
	if m.onMessage == OnMessageClose {
		m.loop.exit.startClose(slot, c, closePolicy, nil, false)
		return false
	}
	if m.tells(c) {
		goOn, enough := m.pass(slot, c, false, message)
		if !goOn {
			return false
		}
		if enough {
			m.loop.reader.holdClient(slot, c, m.loop.reader.partial(c))
		}
	}
	if m.onMessage != OnMessageEcho || c.state != connOpen {
		return true
	}
	f := m.loop.srv.encoder.MessageAs(c.form, ws.OpText, message)
	return m.loop.fanout.catchUp(slot, c) && m.loop.writer.deliver(slot, c, f) && m.loop.writer.flush(slot, c)
}

// cost is what a message of a client costs.
func (m *messages) cost(c *conn) int {
	if m.tells(c) {
		return messageCost + toldCost
	}
	return messageCost
}
