package control

import (
	"unicode/utf8"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

func (c *call) push() error {
	m := &c.command
	if m.Wait {
		// At the deadline the gateway returns the counts so far.
		defer c.wait()()
	}
	r, err := c.server.gateway.Push(c.ctx, gateway.Push{
		To: m.To, ExcludeClientIDs: m.ExcludeClientIDs, ExcludeUIDs: m.ExcludeUIDs,
		Payload: m.Payload, Binary: m.Binary, Wait: m.Wait,
	})
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendInt(c.out, `{"matched":`, r.Matched)
	c.out = appendInt(c.out, `,"queued":`, r.Queued)
	c.out = appendInt(c.out, `,"dropped":`, r.Dropped)
	if m.Wait {
		c.out = appendInt(c.out, `,"written":`, r.Written)
	}
	c.end()
	return nil
}

// pushRaw is a push whose body is the payload; the query, already read, names
// the targets.
func (c *call) pushRaw() error {
	m := &c.command
	if t := &m.To; !t.All && len(t.ClientIDs)+len(t.UIDs)+len(t.Groups) == 0 {
		return wire.Faultf(wire.CodeNoTarget, "the query names no target; give client_id, uid, group or all=1")
	}
	m.Payload = c.http.Request.Body()
	if !m.Binary && !utf8.Valid(m.Payload) {
		return wire.Faultf(wire.CodeInvalidUTF8, "the body is not UTF-8; binary=1 sends any bytes")
	}
	if m.Names() > manyNames {
		defer c.bound()()
	}
	if err := c.push(); err != nil {
		return err
	}
	c.answer(jsonType)
	return nil
}
