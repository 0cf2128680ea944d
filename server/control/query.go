package control

import (
	"strconv"

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
	if !c.clusterWide || c.server.cluster == nil {
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
