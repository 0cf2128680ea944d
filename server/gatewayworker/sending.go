package gatewayworker

import (
	"errors"
	"time"
	"unicode/utf8"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// message returns the frame's message; false if there is nothing to send. Text that
// is not UTF-8 becomes a binary message: PHP sends it as text, and browsers close
// the connection.
func (cmd *commands) message(f *wire.Frame) (m gateway.Message, ok bool) {
	payload, _, err := cmd.at.decoder.Message(cmd.at.body[:0], f)
	switch {
	case cmd.at.dead:
		return m, false
	case err != nil:
		cmd.ignore(ignoreBody)
		return m, false
	}
	m.Payload, m.Raw = payload, f.Flags&wire.FlagRaw != 0
	m.Binary = !utf8.Valid(payload)
	return m, !m.Raw || len(payload) > 0
}

// push sends a message through a series or, if that is nil, at once. If the event
// loops have no room it waits, since PHP does not understand "busy". A job waits
// alone. Otherwise everything waits, since later commands must be executed later.
// It returns false if nothing more need be sent.
func (cmd *commands) push(m *gateway.Message, series gateway.Series, to gateway.Targets) bool {
	for wait, end := time.Millisecond, cmd.loop.now().Add(busyPatience); !cmd.at.dead; wait = min(2*wait, 10*time.Millisecond) {
		var err error
		if series != nil {
			err = series.Send(cmd.at, to)
		} else {
			err = cmd.gateway.Send(cmd.at, to, *m)
		}
		var e *gateway.Error
		if !errors.As(err, &e) || e.Code != gateway.CodeBusy || !cmd.loop.now().Before(end) {
			if !cmd.at.dead {
				cmd.note(err)
			}
			return err == nil
		}
		cmd.loop.count.busyWaits.Add(1)
		cmd.gateway.Wake()
		if cmd.at.yield != nil {
			cmd.at.pause()
		} else {
			cmd.loop.sys.sleep(wait)
		}
	}
	return false
}

// busyPatience is how long a push waits for room before it is dropped.
const busyPatience = 2 * time.Second

// partLen is how many names or ids each push of a long list has.
const partLen = 256

// parts sends a message to a long list: it collects partLen names or ids at a time
// and pushes to them. A name that appears twice gets two messages
// (docs/gatewayworker-protocol.md section 3).
type parts struct {
	commands *commands
	message  *gateway.Message
	series   gateway.Series // nil while a single push may be enough
	to       gateway.Targets
	named    *[]string // in to
}

// add adds a name and reports whether to continue.
func (p *parts) add(name string) bool {
	*p.named = append(*p.named, name)
	return len(*p.named) < partLen || p.send(true)
}

// send pushes to the collected names. A single name needs no series.
func (p *parts) send(more bool) bool {
	n := len(*p.named)
	if n == 0 {
		return true
	}
	if p.series == nil && (more || n > 1) {
		if p.series = p.commands.beginSeries(p.message, nil); p.series == nil {
			return false
		}
	}
	ok := p.commands.push(p.message, p.series, p.to) && p.commands.at.step(n)
	*p.named = (*p.named)[:0]
	return ok
}

func (cmd *commands) sendToAll(f *wire.Frame) {
	b := cmd.at.decoder.SendToAll(f.Ext)
	if cmd.at.dead {
		return
	}
	m, ok := cmd.message(f)
	switch {
	case !ok:
	case b.Listed:
		parts := parts{commands: cmd, message: &m}
		parts.named = &parts.to.ClientIDs
		b.Only.EachID(func(id uint32) bool { return parts.add(cmd.clientID(id)) })
		parts.send(false)
	default:
		if series, ok := cmd.excluding(&m, b.Exclude); ok {
			cmd.push(&m, series, gateway.Targets{All: true})
		}
	}
}

func (cmd *commands) sendToUIDs(f *wire.Frame) {
	if uids := cmd.at.decoder.List(f.Ext); !cmd.at.dead {
		if m, ok := cmd.message(f); ok {
			parts := parts{commands: cmd, message: &m}
			parts.named = &parts.to.UIDs
			parts.sendToNames(uids)
		}
	}
}

// sendToGroups sends to all members of each group; a client in two groups gets two
// copies (docs/gatewayworker-protocol.md section 3.1).
func (cmd *commands) sendToGroups(f *wire.Frame) {
	b := cmd.at.decoder.SendToGroup(f.Ext)
	if cmd.at.dead {
		return
	}
	m, ok := cmd.message(f)
	if !ok {
		return
	}
	if series, ok := cmd.excluding(&m, b.Exclude); ok {
		parts := parts{commands: cmd, message: &m, series: series}
		parts.named = &parts.to.Groups
		parts.sendToNames(b.Groups)
	}
}

// sendToNames sends to the items of a list that are valid uids or groups; others
// match nobody.
func (p *parts) sendToNames(list wire.List) {
	list.Each(func(key []byte) bool {
		return len(key) < 1 || len(key) > gateway.MaxPeerNameLen || p.add(string(key))
	})
	p.send(false)
}

// excluding returns a series that excludes clients, nil if there are none to
// exclude. It returns false if nothing more need be sent.
func (cmd *commands) excluding(m *gateway.Message, connections []uint32) (series gateway.Series, ok bool) {
	if len(connections) == 0 {
		return nil, true
	}
	series = cmd.beginSeries(m, cmd.clientIDs(connections))
	return series, series != nil
}

// beginSeries returns nil if nothing need be sent.
func (cmd *commands) beginSeries(m *gateway.Message, exclude []string) gateway.Series {
	series, err := cmd.gateway.BeginSeries(cmd.at, *m, exclude)
	if err != nil {
		if !cmd.at.dead {
			cmd.note(err)
		}
		return nil
	}
	return series
}
