package server

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/netip"
	"strconv"
	"time"

	"castgate/server/frames"

	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/transport"
)

// Online implements Gateway.
func (s *Server) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	if err := s.names.checkAll("uid", q.UIDs); err != nil {
		return gateway.OnlineResult{}, err
	}
	r := gateway.OnlineResult{Clients: make([]bool, len(q.ClientIDs)), UIDs: make([]int, len(q.UIDs))}
	for i, id := range q.ClientIDs {
		r.Clients[i] = s.registry.online(s.ids.Parse(id))
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = s.registry.uids.Count(u)
	}
	return r, nil
}

// Counts implements Gateway.
func (s *Server) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	if err := s.names.checkAll("group", q.Groups); err != nil {
		return gateway.CountsResult{}, err
	}
	if err := s.names.checkAll("uid", q.UIDs); err != nil {
		return gateway.CountsResult{}, err
	}
	r := gateway.CountsResult{Groups: make([]int, len(q.Groups)), UIDs: make([]int, len(q.UIDs))}
	for i, g := range q.Groups {
		r.Groups[i] = s.registry.groups.Count(g)
	}
	for i, u := range q.UIDs {
		r.UIDs[i] = s.registry.uids.Count(u)
	}
	return r, nil
}

// Stats implements Gateway.
func (s *Server) Stats(context.Context) (gateway.Stats, error) {
	st := gateway.Stats{
		Node: s.config.Node, StartedAt: s.began, Loops: len(s.loops),
		Connections: s.connected(), Sockets: int(s.sockets.Load()), Waiting: s.Waiting(), MaxConns: s.MaxConns(),
		UIDs: s.registry.uids.Len(), Groups: s.registry.groups.Len(),
		Accepted: s.accepted.Load(), AcceptErrors: s.acceptErrors.Load(), Delayed: s.delayed.Load(), Addresses: s.admission.Addresses(),
		Pushes: s.pushes.Load(), PushesUnmatched: s.unmatched.Load(), PushesRefused: s.refused.Load(),
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{},
		InflateErrors: map[string]uint64{}, TLSInternals: transport.InternalsFound(),
	}
	if keys, on := s.admission.Keys(); on {
		fetches := gateway.KeyFetches(keys)
		st.KeysFetched = &fetches
	}
	st.Certificates = s.certs.Expiries()
	st.CertificateReloads, st.CertificateFailures = s.certs.Counts()
	for _, l := range s.loops {
		l.count.addTo(&st)
	}
	s.compressionStats(&st)
	ended := st.Written
	for _, n := range st.Dropped {
		ended += n
	}
	for _, l := range s.loops {
		st.Matched += l.count.matched.Load()
	}
	st.Queued = int(st.Matched - ended)
	return st, nil
}

// compressionStats fills in what concerns permessage-deflate.
func (s *Server) compressionStats(st *gateway.Stats) {
	for m := range frames.Line {
		if m.WindowBits() != 0 {
			st.CompressedClients += int(s.registry.byForm[m].Load())
		}
	}
	s.encoder.AddTo(st)
}

// Client implements Gateway.
func (s *Server) Client(ctx context.Context, clientID string) (gateway.ClientInfo, error) {
	h := s.ids.Parse(clientID)
	info, ok := s.info(h)
	if !ok {
		return gateway.ClientInfo{}, unknownClient(clientID)
	}
	// What waits is the loop's to know.
	type waiting struct{ bytes, frames int }
	answer := make(chan waiting, 1)
	l := s.loops[h.Loop()]
	l.mail.post(command{kind: cmdFunc, run: func(l *loop) {
		var w waiting
		if c := l.receiver(h); c != nil {
			w = waiting{int(c.waiting), int(c.frames)}
		}
		answer <- w
	}})
	select {
	case w := <-answer:
		info.QueuedBytes, info.QueuedFrames = w.bytes, w.frames
	case <-ctx.Done():
		return gateway.ClientInfo{}, errQuery(ctx)
	case <-s.ended:
	}
	return info, nil
}

// info returns what the registry knows of a client.
func (s *Server) info(h table.Handle) (info gateway.ClientInfo, ok bool) {
	var connection uint32
	ok = s.registry.lookup(h, func(c *client) {
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
	info.ClientID = s.ids.Of(h, connection)
	return info, ok
}

// registered returns the handles of the loop's clients in the order of their
// slots. Clients that come or go meanwhile may or may not be among them. Any
// goroutine.
func (l *loop) registered() iter.Seq[table.Handle] { return l.registeredFrom(0) }

func (l *loop) registeredFrom(slot uint32) iter.Seq[table.Handle] {
	return func(yield func(table.Handle) bool) {
		for ; slot < l.slots.extent(); slot = (slot/chunkLen + 1) * chunkLen {
			ch := l.slots.chunkAt(slot)
			if ch == nil {
				continue
			}
			live := l.mail.livingOf(ch)
			for n := slot % chunkLen; n < chunkLen; n++ {
				if live[n] != 0 && !yield(table.MakeHandle(uint8(l.idx), slot/chunkLen*chunkLen+n, live[n])) {
					return
				}
			}
		}
	}
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
