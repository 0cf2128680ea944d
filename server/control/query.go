package control

import (
	"strconv"
	"time"

	"castgate/server/control/internal/statistics"
	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

func (c *call) online() error {
	t := &c.command.Top
	r, err := c.server.gateway.Online(c.ctx, gateway.Online{ClientIDs: t.ClientIDs, UIDs: t.UIDs})
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendByName(append(c.out, `{"client_ids":`...), t.ClientIDs, r.Clients, strconv.AppendBool)
	c.out = appendByName(append(c.out, `,"uids":`...), t.UIDs, r.UIDs, appendNumber)
	c.end()
	return nil
}

func (c *call) counts() error {
	t := &c.command.Top
	r, err := c.server.gateway.Counts(c.ctx, gateway.Counts{Groups: t.Groups, UIDs: t.UIDs})
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendByName(append(c.out, `{"groups":`...), t.Groups, r.Groups, appendNumber)
	c.out = appendByName(append(c.out, `,"uids":`...), t.UIDs, r.UIDs, appendNumber)
	c.end()
	return nil
}

func appendNumber(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// appendByName appends an object with the names as keys; a repeated name
// appears once.
func appendByName[T any](dst []byte, names []string, values []T, value func([]byte, T) []byte) []byte {
	var seen map[string]struct{}
	if len(names) > 1 {
		seen = make(map[string]struct{}, len(names))
	}
	dst = append(dst, '{')
	for i, name := range names {
		if seen != nil {
			if _, again := seen[name]; again {
				continue
			}
			seen[name] = struct{}{}
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = value(dst, values[i])
	}
	return append(dst, '}')
}

// client serves GET /v1/clients/{client_id}.
func (c *call) client() error {
	defer c.bound()()
	info, err := c.server.gateway.Client(c.ctx, c.clientID)
	if err != nil {
		return err
	}
	c.out = appendClient(c.out, &info)
	c.out = appendInt(c.out, `,"queued_bytes":`, info.QueuedBytes)
	c.out = appendInt(c.out, `,"queued_frames":`, info.QueuedFrames)
	c.out = append(c.out, '}')
	c.answer(jsonType)
	return nil
}

// appendClient appends what a listing says of a client; the object is left
// open.
func appendClient(dst []byte, info *gateway.ClientInfo) []byte {
	dst = wire.AppendString(append(dst, `{"client_id":`...), info.ClientID)
	dst = appendNullable(append(dst, `,"uid":`...), info.UID)
	dst = wire.AppendStrings(append(dst, `,"groups":`...), info.Groups)
	dst = append(dst, `,"session":`...)
	if info.Session == nil {
		dst = append(dst, "null"...)
	}
	dst = append(dst, info.Session...)
	dst = wire.AppendString(append(dst, `,"remote_addr":`...), info.RemoteAddr)
	return wire.AppendTime(append(dst, `,"connected_at":`...), info.ConnectedAt)
}

// stats serves GET /v1/stats: of this node, or with cluster=1 summed over all.
func (c *call) stats() error {
	if !c.query.clusterWide || c.server.cluster == nil {
		st, err := c.server.gateway.Stats(c.ctx)
		if err != nil {
			return err
		}
		c.out = statistics.Append(c.out, &st)
		c.answer(jsonType)
		return nil
	}
	st, err := c.server.cluster.ClusterStats(c.ctx)
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = statistics.Append(c.out, &st)
	c.out = c.out[:len(c.out)-1] // its end is that of the object
	c.end()
	c.answer(jsonType)
	return nil
}

// readExplain takes a parameter of GET /v1/explain.
func (q *query) readExplain(name, value string) error {
	var to *string
	switch name {
	case "uid":
		to = &q.explained.UID
	case "client_id":
		to = &q.explained.ClientID
	default:
		return unknownParameter(name, "uid, client_id")
	}
	if *to != "" || value == "" {
		return wire.Faultf(codeInvalidParameter, "%s must be given once and not be empty", name)
	}
	*to = value
	return nil
}

// explain serves GET /v1/explain: why clients of a uid, or one client, were closed, and
// what was not delivered to them. The newest come first.
func (c *call) explain() error {
	q := c.query.explained
	if (q.UID == "") == (q.ClientID == "") {
		return wire.Faultf(codeInvalidParameter, "give either uid or client_id")
	}
	x, err := c.server.config.Historian.Explain(c.ctx, q)
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendInt(c.out, `{"node":`, x.Node)
	c.out = wire.AppendTime(append(c.out, `,"since":`...), x.Since)
	c.out = wire.AppendStrings(append(c.out, `,"connected":`...), x.Connected)
	c.out = appendRows(append(c.out, `,"ends":`...), x.Ends, appendEnd)
	c.out = appendRows(append(c.out, `,"drops":`...), x.Drops, appendDrop)
	c.out = appendRows(append(c.out, `,"misses":`...), x.Misses, func(dst []byte, m *gateway.PastMiss) []byte {
		return append(appendSpan(append(dst, '{'), m.First, m.Last, m.Count), '}')
	})
	c.end()
	c.answer(jsonType)
	return nil
}

// appendRows appends a list of objects.
func appendRows[T any](dst []byte, rows []T, one func([]byte, *T) []byte) []byte {
	dst = append(dst, '[')
	for i := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, &rows[i])
	}
	return append(dst, ']')
}

func appendEnd(dst []byte, e *gateway.PastEnd) []byte {
	dst = appendInt(dst, `{"node":`, e.Node)
	dst = wire.AppendTime(append(dst, `,"at":`...), e.At)
	dst = wire.AppendString(append(dst, `,"client_id":`...), e.ClientID)
	dst = appendNullable(append(dst, `,"uid":`...), e.UID)
	dst = wire.AppendString(append(dst, `,"remote_addr":`...), e.Remote.String())
	dst = wire.AppendTime(append(dst, `,"connected_at":`...), e.ConnectedAt)
	dst = wire.AppendString(append(dst, `,"reason":`...), e.Reason)
	dst = appendInt(dst, `,"code":`, e.Code)
	dst = appendInt(dst, `,"queued_bytes":`, e.QueuedBytes)
	return append(appendInt(dst, `,"queued_frames":`, e.QueuedFrames), '}')
}

func appendDrop(dst []byte, d *gateway.PastDrop) []byte {
	dst = append(appendInt(dst, `{"node":`, d.Node), ',')
	dst = appendSpan(dst, d.First, d.Last, d.Count)
	dst = wire.AppendString(append(dst, `,"client_id":`...), d.ClientID)
	dst = appendNullable(append(dst, `,"uid":`...), d.UID)
	dst = wire.AppendString(append(dst, `,"reason":`...), d.Reason)
	dst = appendInt(dst, `,"queued_bytes":`, d.QueuedBytes)
	return append(appendInt(dst, `,"queued_frames":`, d.QueuedFrames), '}')
}

// appendSpan appends members of an object: when something happened, and how often.
func appendSpan(dst []byte, first, last time.Time, count uint64) []byte {
	dst = wire.AppendTime(append(dst, `"first_at":`...), first)
	dst = wire.AppendTime(append(dst, `,"last_at":`...), last)
	return appendInt(dst, `,"count":`, count)
}
