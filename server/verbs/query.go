package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// Online implements Gateway.
func (v *Verbs) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	if err := v.names.CheckAll("uid", q.UIDs); err != nil {
		return gateway.OnlineResult{}, err
	}
	r := gateway.OnlineResult{Clients: make([]bool, len(q.ClientIDs)), UIDs: make([]int, len(q.UIDs))}
	for i, id := range q.ClientIDs {
		r.Clients[i] = v.loops.Registry.Online(v.loops.IDs.Parse(id))
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = v.loops.Registry.UIDs.Count(u)
	}
	return r, nil
}

// Counts implements Gateway.
func (v *Verbs) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	if err := v.names.CheckAll("group", q.Groups); err != nil {
		return gateway.CountsResult{}, err
	}
	if err := v.names.CheckAll("uid", q.UIDs); err != nil {
		return gateway.CountsResult{}, err
	}
	r := gateway.CountsResult{Groups: make([]int, len(q.Groups)), UIDs: make([]int, len(q.UIDs))}
	for i, g := range q.Groups {
		r.Groups[i] = v.loops.Registry.Groups.Count(g)
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = v.loops.Registry.UIDs.Count(u)
	}
	return r, nil
}

// Client implements Gateway.
func (v *Verbs) Client(ctx context.Context, clientID string) (gateway.ClientInfo, error) {
	h := v.loops.IDs.Parse(clientID)
	info, ok := v.info(h)
	if !ok {
		return gateway.ClientInfo{}, unknownClient(clientID)
	}
	waiting, err := v.loops.WaitingFor(ctx, h)
	if err != nil {
		return gateway.ClientInfo{}, errQuery(ctx)
	}
	info.QueuedBytes, info.QueuedFrames = waiting.Bytes, waiting.Frames
	// The first ping may come early, for which a client counts as silent before it was there.
	info.Silent, info.Pinged = min(waiting.Silent, max(time.Since(info.ConnectedAt), 0)), waiting.Pinged
	return info, nil
}

// info returns what the registry knows of a client.
func (v *Verbs) info(h table.Handle) (info gateway.ClientInfo, ok bool) {
	var connection uint32
	ok = v.loops.Registry.Lookup(h, func(c *client.Client) {
		if c.UID != nil {
			info.UID = c.UID.Name()
		}
		info.Groups = make([]string, 0, c.Groups.Len())
		c.Groups.Each(func(e *table.Entry) { info.Groups = append(info.Groups, e.Name()) })
		if c.Session != nil && c.Session.JSON != "" {
			info.Session = json.RawMessage(c.Session.JSON)
		}
		connection = c.Connection
		addr := netip.AddrPortFrom(netip.AddrFrom16(c.Addr).Unmap(), c.Port)
		info.RemoteAddr = addr.String()
		info.ConnectedAt = time.UnixMilli(c.ConnectedAt)
	})
	info.ClientID = v.loops.IDs.Of(h, connection)
	return info, ok
}

const defaultPageLen = 100

func (most NameLimit) checkList(q *gateway.List) error {
	if q.Limit == 0 {
		q.Limit = defaultPageLen
	}
	if q.Limit < 1 || q.Limit > gateway.MaxPageLen {
		return &gateway.Error{Code: gateway.CodeInvalidLimit, Detail: "limit is not between 1 and " + strconv.Itoa(gateway.MaxPageLen)}
	}
	if q.UID != "" {
		if err := most.Check("uid", q.UID); err != nil {
			return err
		}
	}
	if q.Group != "" {
		return most.Check("group", q.Group)
	}
	return nil
}

var errCursor = &gateway.Error{Code: gateway.CodeInvalidCursor, Detail: "invalid cursor"}

// errQuery is the error of a query or change whose context is done.
func errQuery(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &gateway.Error{Code: gateway.CodeDeadline, Detail: "the query took too long"}
	}
	return errStopping
}
