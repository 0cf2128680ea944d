package gatewayworker

import (
	"encoding/binary"
	"encoding/hex"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// answer replies to a query, exactly once. A query that fails gets the reply of an
// empty gateway.
func (cmd *commands) answer(c *innerConn, f *wire.Frame) {
	if cmd.loop.writer.allWaiting() >= cmd.loop.cfg.MaxAllReplies {
		cmd.loop.close(c, closeReplies)
		return
	}
	before := len(c.out.bytes)
	if cmd.at.yield == nil {
		b, mark := wire.BeginReply(c.out.bytes)
		c.out.bytes = wire.EndReply(cmd.reply(b, f), mark)
	} else { // what waits for c changes meanwhile
		b, mark := wire.BeginReply(nil)
		b = wire.EndReply(cmd.reply(b, f), mark)
		if before = len(c.out.bytes); c.closed || cmd.at.dead {
			return
		}
		c.out.bytes = append(c.out.bytes, b...)
	}
	over := cmd.at.over
	cmd.loop.execution.unbuilt(cmd.at.built)
	cmd.at.built, cmd.at.over = 0, false
	if over {
		c.out.bytes = c.out.bytes[:before]
		cmd.loop.close(c, closeReplies)
		return
	}
	c.out.replied()
	cmd.loop.writer.queued(c, len(c.out.bytes)-before)
}

// reply appends the value that answers a query (docs/gatewayworker-protocol.md
// section 3).
func (cmd *commands) reply(b []byte, f *wire.Frame) []byte {
	switch f.Command {
	case wire.IsOnline:
		online, err := cmd.gateway.Online(background, gateway.Online{ClientIDs: []string{cmd.clientID(f.ConnectionID)}})
		if err == nil && online.Clients[0] {
			return wire.AppendInt(b, 1)
		}
		return wire.AppendInt(b, 0)
	case wire.SessionOfClient:
		session, online, err := cmd.gateway.SessionBytes(background, cmd.clientID(f.ConnectionID))
		switch {
		case err != nil || !online:
			return wire.AppendNull(b)
		case session == "":
			return wire.AppendEnd(wire.AppendArray(b, 0))
		}
		return append(b, session...)
	case wire.AllSessions:
		return cmd.sessions(b, gateway.Each{})
	case wire.SessionsOfGroup:
		if len(f.Ext) == 0 || len(f.Ext) > gateway.MaxPeerNameLen {
			return wire.AppendEnd(wire.AppendArray(b, 0))
		}
		return cmd.sessions(b, gateway.Each{Group: string(f.Ext)})
	case wire.CountOfGroup:
		return wire.AppendInt(b, int64(cmd.countOf(f.Ext)))
	case wire.CountsOfGroups:
		groups := cmd.at.decoder.DistinctKeys(f.Ext)
		b = wire.AppendArray(b, len(groups))
		for _, g := range groups {
			n := 0
			if len(g) > 0 {
				n = cmd.countOf(g)
			}
			if b = wire.AppendInt(wire.AppendKey(b, g), int64(n)); !cmd.at.step(1) || !cmd.at.fits(len(b)) {
				break
			}
		}
		return wire.AppendEnd(b)
	case wire.ClientsOfUID:
		return cmd.members(b, f.Ext)
	case wire.ClientsOfUIDs:
		uids := cmd.at.decoder.DistinctKeys(f.Ext)
		b = wire.AppendArray(b, len(uids))
		for _, uid := range uids {
			if b = cmd.members(wire.AppendKey(b, uid), uid); !cmd.at.step(1) || !cmd.at.fits(len(b)) {
				break
			}
		}
		return wire.AppendEnd(b)
	case wire.Groups:
		names, err := cmd.gateway.GroupNames(cmd.at)
		if err != nil {
			names = nil
		}
		b = wire.AppendArray(b, len(names))
		for i, name := range names {
			b = wire.AppendKeyValue(wire.AppendInt(b, int64(i)), name)
			if i%lookSteps == 0 && (!cmd.at.step(lookSteps/4) || !cmd.at.fits(len(b))) {
				break
			}
		}
		return wire.AppendEnd(b)
	}
	return cmd.selected(b, f.Ext)
}

// sessions appends connection id => session for the clients that q selects.
func (cmd *commands) sessions(b []byte, q gateway.Each) []byte {
	n, rows := 0, cmd.at.rows[:0]
	err := cmd.gateway.Each(cmd.at, q, func(s gateway.ClientState) bool {
		if id, ok := cmd.connection(s.ClientID); ok {
			rows = wire.AppendString(wire.AppendInt(rows, int64(id)), s.Session)
			n++
		}
		return cmd.at.step(len(s.Session)/byteStep) && cmd.at.fits(len(b)+len(rows))
	})
	if err != nil {
		n, rows = 0, rows[:0]
	}
	b = append(wire.AppendArray(b, n), rows...)
	cmd.at.rows = scratch(rows)
	return wire.AppendEnd(b)
}

// keepRows is the largest capacity in bytes of a scratch buffer that is kept.
const keepRows = 1 << 20

func scratch(b []byte) []byte {
	if cap(b) > keepRows {
		return nil
	}
	return b
}

// countOf returns the number of clients in a group; the empty group means all
// clients.
func (cmd *commands) countOf(group []byte) int {
	switch {
	case len(group) == 0:
		st, err := cmd.gateway.Stats(background)
		if err != nil {
			return 0
		}
		return st.Connections
	case len(group) > gateway.MaxPeerNameLen:
		return 0
	}
	counts, err := cmd.gateway.Counts(background, gateway.Counts{Groups: []string{string(group)}})
	if err != nil {
		return 0
	}
	return counts.Groups[0]
}

// members appends the list of the connection ids of a uid's clients.
func (cmd *commands) members(b, uid []byte) []byte {
	var ids []string
	if len(uid) >= 1 && len(uid) <= gateway.MaxPeerNameLen {
		var err error
		if ids, err = cmd.gateway.Members(cmd.at, gateway.Members{UID: string(uid)}); err != nil {
			ids = nil
		}
	}
	b = wire.AppendArray(b, len(ids))
	for i, id := range ids {
		if i%lookSteps == lookSteps-1 && (!cmd.at.step(lookSteps/4) || !cmd.at.fits(len(b))) {
			break
		}
		connection, _ := cmd.connection(id)
		b = wire.AppendInt(wire.AppendInt(b, int64(i)), int64(connection))
	}
	return wire.AppendEnd(b)
}

// connection is the inverse of clientID.
func (cmd *commands) connection(clientID string) (uint32, bool) {
	if len(clientID) != len(cmd.prefix)+8 {
		return 0, false
	}
	var b [4]byte
	if _, err := hex.Decode(b[:], []byte(clientID[len(cmd.prefix):])); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[:]), true
}

// selection is a SELECT that is being answered.
type selection struct {
	fields      [][]byte
	uid, groups bool // requested fields
	first       bool // with the workaround of section 8.4
	seen        map[uint32]bool
	failed      bool
	n           int
	rows, rest  []byte
}

// selected appends the result of a SELECT: connection id => fields.
func (cmd *commands) selected(b, ext []byte) []byte {
	q, ok := cmd.at.decoder.Select(ext)
	if !ok || q.All && len(q.Fields) == 0 {
		return wire.AppendEnd(wire.AppendArray(b, 0))
	}
	s := selection{fields: q.Fields, rows: cmd.at.rows[:0], rest: cmd.at.rest[:0]}
	for _, f := range q.Fields {
		s.uid = s.uid || string(f) == "uid"
		s.groups = s.groups || string(f) == "groups"
	}
	if q.All {
		// getAllGroupUidList and similar calls stop at the first client without a
		// uid or group, so such clients come last (docs/gatewayworker-protocol.md
		// section 8.4).
		s.first = s.groups
		cmd.each(&s, gateway.Each{})
	} else {
		s.seen = map[uint32]bool{}
		cmd.selectWhere(&s, q.Where)
	}
	if s.failed {
		s.n, s.rows, s.rest = 0, s.rows[:0], s.rest[:0]
	}
	b = wire.AppendArray(b, s.n)
	b = append(append(b, s.rows...), s.rest...)
	cmd.at.rows, cmd.at.rest = scratch(s.rows), scratch(s.rest)
	return wire.AppendEnd(b)
}

// selectWhere adds the union of all criteria, each client once.
func (cmd *commands) selectWhere(s *selection, where []wire.Criterion) {
	for i := range where {
		switch w := &where[i]; w.Kind {
		case wire.ByUID:
			for _, uid := range w.Names {
				if !cmd.eachOf(s, gateway.Each{UID: string(uid)}, len(uid)) {
					return
				}
			}
		case wire.ByGroup:
			for _, group := range w.Names {
				if !cmd.eachOf(s, gateway.Each{Group: string(group)}, len(group)) {
					return
				}
			}
		case wire.ByConnectionID:
			for _, id := range w.ConnectionIDs {
				if !s.seen[id] {
					cmd.each(s, gateway.Each{ClientID: cmd.clientID(id)})
				}
				if !cmd.at.step(1) {
					return
				}
			}
		}
	}
}

// eachOf adds the members of a uid or group whose name has length bytes. It returns
// false if the caller must stop.
func (cmd *commands) eachOf(s *selection, q gateway.Each, length int) bool {
	if length >= 1 && length <= gateway.MaxPeerNameLen {
		cmd.each(s, q)
	}
	return cmd.at.step(1) && !cmd.at.over
}

func (cmd *commands) each(s *selection, q gateway.Each) {
	q.Groups = s.groups
	err := cmd.gateway.Each(cmd.at, q, func(c gateway.ClientState) bool {
		id, ok := cmd.connection(c.ClientID)
		if !ok || s.seen[id] {
			return true
		}
		if s.seen != nil {
			s.seen[id] = true
		}
		s.n++
		if s.first && (len(c.Groups) == 0 || s.uid && c.UID == "") {
			s.rest = s.row(s.rest, id, &c)
		} else {
			s.rows = s.row(s.rows, id, &c)
		}
		return cmd.at.step((len(c.Session)+lookSteps*len(c.Groups))/byteStep) && cmd.at.fits(len(s.rows)+len(s.rest))
	})
	s.failed = s.failed || err != nil
}

// row appends one client with its fields in the requested order.
func (s *selection) row(b []byte, id uint32, c *gateway.ClientState) []byte {
	b = wire.AppendArray(wire.AppendInt(b, int64(id)), len(s.fields))
	for _, f := range s.fields {
		b = wire.AppendKey(b, f)
		switch {
		case string(f) == "session":
			b = wire.AppendString(b, c.Session)
		case string(f) == "uid" && c.UID != "":
			b = wire.AppendString(b, c.UID)
		case string(f) == "groups" && c.Groups != nil:
			b = wire.AppendArray(b, len(c.Groups))
			for _, g := range c.Groups {
				b = wire.AppendString(wire.AppendKey(b, g), g)
			}
			b = wire.AppendEnd(b)
		default:
			b = wire.AppendNull(b)
		}
	}
	return wire.AppendEnd(b)
}
