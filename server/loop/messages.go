package loop

import (
	"net/netip"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/reason"
)

// OnMessage says what a message from a client does.
type OnMessage string

// The values of Config.OnMessage.
const (
	OnMessageIgnore OnMessage = "ignore" // count it
	OnMessageEcho   OnMessage = "echo"   // send it back, for conformance tests
	OnMessageClose  OnMessage = "close"  // close with 1008
	// OnMessageForward passes it to Watchers.
	OnMessageForward OnMessage = "forward"
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
		Connection: cl.Connection,
		Remote:     netip.AddrPortFrom(netip.AddrFrom16(cl.Addr).Unmap(), cl.Port),
		LocalPort:  m.loop.srv.ports[cl.Endpoint],
	}
	if cl.Session != nil {
		e.Session = cl.Session.Bytes
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
	m.loop.count.MessagesIn.Add(1)
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
		m.refuseMessage(slot, c, reason.TooBig)
		return false, false
	case gateway.RefusedFull:
		m.refuseMessage(slot, c, reason.EventsFull)
		return false, false
	case gateway.RefusedNobody:
		m.loop.exit.abort(slot, c, reason.NoWorker)
		return false, false
	}
	return true, false
}

// refuseMessage closes a client for a message that is not taken. What it sends
// behind that is not looked at.
func (m *messages) refuseMessage(slot uint32, c *conn, why reason.Close) {
	c.set(flagDeaf)
	m.loop.exit.startClose(slot, c, why, why.Frame(), false)
}

// onData acts on a piece of a message as Config.OnMessage says.
func (m *messages) onData(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	if ev.Last {
		m.loop.heart.heard(c)
	}
	switch m.onMessage {
	case OnMessageClose:
		m.countIn(slot)
		m.loop.exit.startClose(slot, c, reason.Policy, reason.Policy.Frame(), false)
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
		m.loop.exit.startClose(slot, c, reason.Policy, nil, false)
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
	f := m.loop.srv.Encoder.MessageAs(c.form, ws.OpText, message)
	return m.loop.fanout.catchUp(slot, c) && m.loop.writer.deliver(slot, c, f) && m.loop.writer.flush(slot, c)
}

// cost is what a message of a client costs.
func (m *messages) cost(c *conn) int {
	if m.tells(c) {
		return messageCost + toldCost
	}
	return messageCost
}

// A message that comes in pieces is kept until it is whole, where somebody wants
// it whole. It may be as long as Capacity.MaxMessage, and a client may take its
// time, so all of them together are bounded.
const (
	// freeAssembly is up to how many bytes such a message counts for nothing.
	freeAssembly = 64 << 10
	// assemblyMemory is how many bytes they may have together, beyond that. The
	// client that goes over it is closed.
	assemblyMemory = 256 << 20
)

// assemble notes that an inbound keeps size bytes of a message that is not whole.
// False if all keep too much.
func (m *messages) assemble(in *inbound, size int) bool {
	over := max(size-freeAssembly, 0)
	if over == in.assembling {
		return true
	}
	total := m.loop.srv.assembling.Add(int64(over - in.assembling))
	grown := over > in.assembling
	in.assembling = over
	return !grown || total <= assemblyMemory
}

// wholeMessage keeps pieces of a message until it is complete, and then tells
// of it and sends it back, as is configured.
func (m *messages) wholeMessage(slot uint32, c *conn, in *inbound, ev *codec.Event) bool {
	message := ev.Data
	if !ev.First || !ev.Last {
		if ev.First {
			in.message = make([]byte, 0, len(ev.Data))
		}
		in.message = append(in.message, ev.Data...)
		message = in.message
	}
	if !ev.Last {
		if m.assemble(in, cap(in.message)) {
			return true
		}
		m.refuseMessage(slot, c, reason.MessagesFull)
		return false
	}
	m.countIn(slot)
	in.message = nil
	m.assemble(in, 0)
	if m.tells(c) {
		goOn, enough := m.pass(slot, c, ev.Op == ws.OpBinary, message)
		if !goOn {
			return false
		}
		in.held = enough
	}
	if m.onMessage != OnMessageEcho {
		return true
	}
	if !m.loop.writer.payPongs(slot, c) {
		return false
	}
	f := m.loop.srv.Encoder.MessageAs(c.form, ev.Op, message)
	return m.loop.fanout.catchUp(slot, c) && m.loop.writer.deliver(slot, c, f) && m.loop.writer.flush(slot, c)
}
