package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/transport"
)

// Online implements Gateway.
func (v *Verbs) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	if err := v.names.checkAll("uid", q.UIDs); err != nil {
		return gateway.OnlineResult{}, err
	}
	r := gateway.OnlineResult{Clients: make([]bool, len(q.ClientIDs)), UIDs: make([]int, len(q.UIDs))}
	for i, id := range q.ClientIDs {
		r.Clients[i] = v.registry.online(v.ids.Parse(id))
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = v.registry.uids.Count(u)
	}
	return r, nil
}

// Counts implements Gateway.
func (v *Verbs) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	if err := v.names.checkAll("group", q.Groups); err != nil {
		return gateway.CountsResult{}, err
	}
	if err := v.names.checkAll("uid", q.UIDs); err != nil {
		return gateway.CountsResult{}, err
	}
	r := gateway.CountsResult{Groups: make([]int, len(q.Groups)), UIDs: make([]int, len(q.UIDs))}
	for i, g := range q.Groups {
		r.Groups[i] = v.registry.groups.Count(g)
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = v.registry.uids.Count(u)
	}
	return r, nil
}

// Stats implements Gateway.
func (s *Server) Stats(context.Context) (gateway.Stats, error) {
	st := gateway.Stats{
		Node: s.config.Node, StartedAt: s.began, Loops: s.config.Loops,
		MaxConns: s.MaxConns(),
		Accepted: s.accepted.Load(), Delayed: s.delayed.Load(), Addresses: s.admission.Addresses(),
		Pushes: s.pushes.Load(), PushesUnmatched: s.unmatched.Load(), PushesRefused: s.refused.Load(),
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{},
		InflateErrors: map[string]uint64{}, TLSInternals: transport.InternalsFound(),
	}
	if keys, on := s.admission.Keys(); on {
		fetches := gateway.KeyFetches(keys)
		st.KeysFetched = &fetches
	}
	for _, n := range s.listeners {
		st.AcceptErrors += n.Errors()
	}
	st.Certificates = s.certs.Expiries()
	st.CertificateReloads, st.CertificateFailures = s.certs.Counts()
	s.Loops.addTo(&st)
	return st, nil
}

// Client implements Gateway.
func (v *Verbs) Client(ctx context.Context, clientID string) (gateway.ClientInfo, error) {
	h := v.ids.Parse(clientID)
	info, ok := v.info(h)
	if !ok {
		return gateway.ClientInfo{}, unknownClient(clientID)
	}
	waiting, err := v.waitingFor(ctx, h)
	if err != nil {
		return gateway.ClientInfo{}, errQuery(ctx)
	}
	info.QueuedBytes, info.QueuedFrames = waiting.bytes, waiting.frames
	return info, nil
}

// info returns what the registry knows of a client.
func (v *Verbs) info(h table.Handle) (info gateway.ClientInfo, ok bool) {
	var connection uint32
	ok = v.registry.lookup(h, func(c *client) {
		if c.uid != nil {
			info.UID = c.uid.Name()
		}
		info.Groups = make([]string, 0, c.groups.len())
		c.groups.each(func(e *table.Entry) { info.Groups = append(info.Groups, e.Name()) })
		if c.session != nil && c.session.json != "" {
			info.Session = json.RawMessage(c.session.json)
		}
		connection = c.connection
		addr := netip.AddrPortFrom(netip.AddrFrom16(c.addr).Unmap(), c.port)
		info.RemoteAddr = addr.String()
		info.ConnectedAt = time.UnixMilli(c.connectedAt)
	})
	info.ClientID = v.ids.Of(h, connection)
	return info, ok
}

const defaultPageLen = 100

func (most nameLimit) checkList(q *gateway.List) error {
	if q.Limit == 0 {
		q.Limit = defaultPageLen
	}
	if q.Limit < 1 || q.Limit > gateway.MaxPageLen {
		return &gateway.Error{Code: gateway.CodeInvalidLimit, Detail: "limit is not between 1 and " + strconv.Itoa(gateway.MaxPageLen)}
	}
	if q.UID != "" {
		if err := most.check("uid", q.UID); err != nil {
			return err
		}
	}
	if q.Group != "" {
		return most.check("group", q.Group)
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
