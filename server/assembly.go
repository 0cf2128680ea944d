package server

import (
	"github.com/gobwas/ws"

	"castgate/codec"
)

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
		m.refuseMessage(slot, c, closeMessagesFull)
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
	f := m.loop.srv.encoder.MessageAs(c.form, ev.Op, message)
	return m.loop.fanout.catchUp(slot, c) && m.loop.writer.deliver(slot, c, f) && m.loop.writer.flush(slot, c)
}
