package admin

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"castgate/server/gateway"
)

// Limits of a search.
const (
	mostFound  = 100                   // clients of one answer
	lookTime   = 20 * time.Millisecond // after that the page asks for the rest
	lookedAt   = 500                   // clients between two looks at the clock
	mostGroups = 200                   // of one client
)

// clientRow is a client as the page shows it.
type clientRow struct {
	ClientID     string          `json:"client_id"`
	UID          string          `json:"uid"`
	Groups       []string        `json:"groups"`
	GroupCount   int             `json:"group_count"`
	Session      json.RawMessage `json:"session,omitempty"`
	RemoteAddr   string          `json:"remote_addr"`
	ConnectedAt  int64           `json:"connected_at"` // Unix time in milliseconds
	QueuedBytes  int             `json:"queued_bytes"`
	QueuedFrames int             `json:"queued_frames"`
	SilentMS     int64           `json:"silent_ms"` // since its last byte; if pinged, since the ping
	Pinged       bool            `json:"pinged"`
}

func rowOf(c *gateway.ClientInfo, groups int) clientRow {
	return clientRow{
		ClientID: c.ClientID, UID: c.UID, Groups: orEmpty(c.Groups[:min(len(c.Groups), groups)]), GroupCount: len(c.Groups),
		Session: c.Session, RemoteAddr: c.RemoteAddr, ConnectedAt: c.ConnectedAt.UnixMilli(),
		QueuedBytes: c.QueuedBytes, QueuedFrames: c.QueuedFrames,
		SilentMS: c.Silent.Milliseconds(), Pinged: c.Pinged,
	}
}

// found is the answer of a search.
type found struct {
	Clients []clientRow `json:"clients"`
	// Next is where the search goes on; "" at its end. Looked counts the clients that this
	// part has looked at.
	Next        string   `json:"next"`
	Looked      int      `json:"looked"`
	Unreachable []uint16 `json:"unreachable,omitempty"`
}

// search serves GET /api/search: clients by client id, uid, group or address, or all.
// What names nobody is no error.
func (s *Server) search(w http.ResponseWriter, c *call) error {
	q := c.URL.Query()
	if id := q.Get("client"); id != "" {
		return s.searchClient(w, c, id)
	}
	list := gateway.List{UID: q.Get("uid"), Group: q.Get("group"), Cursor: q.Get("cursor"), Limit: mostFound}
	var from netip.Prefix
	if address := strings.TrimSpace(q.Get("address")); address != "" {
		var err error
		if from, err = parseAddress(address); err != nil {
			return err
		}
		list.Limit = lookedAt
	}
	ctx, done := c.ctx()
	defer done()
	answer := found{Clients: []clientRow{}}
	for end := time.Now().Add(lookTime); ; {
		page, err := s.config.Gateway.Clients(ctx, list)
		missing, err := partly(err)
		if err != nil {
			return err
		}
		answer.Unreachable, answer.Looked = missing, answer.Looked+len(page.Rows)
		for i := range page.Rows {
			if row := &page.Rows[i]; !from.IsValid() || comesFrom(row.RemoteAddr, from) {
				one := rowOf(row, 8)
				one.Session = nil
				answer.Clients = append(answer.Clients, one)
			}
		}
		answer.Next, list.Cursor = page.Next, page.Next
		if page.Next == "" || !from.IsValid() || len(answer.Clients) >= mostFound || time.Now().After(end) {
			return writeJSON(w, answer)
		}
	}
}

func (s *Server) searchClient(w http.ResponseWriter, c *call, id string) error {
	ctx, done := c.ctx()
	defer done()
	answer := found{Clients: []clientRow{}}
	info, err := s.config.Gateway.Client(ctx, id)
	switch {
	case err == nil:
		row := rowOf(&info, 8)
		row.Session = nil
		answer.Clients = append(answer.Clients, row)
	case problemOf(err).Code != string(gateway.CodeUnknownClient):
		return err
	}
	return writeJSON(w, answer)
}

// parseAddress reads an address or a network.
func parseAddress(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	return netip.Prefix{}, refused(http.StatusBadRequest, "invalid_parameter", "the address is neither an address such as 10.1.2.3 nor a network such as 10.1.0.0/16")
}

func comesFrom(remote string, from netip.Prefix) bool {
	a, err := netip.ParseAddrPort(remote)
	return err == nil && from.Contains(a.Addr())
}

// client serves GET /api/client: all that is known of one.
func (s *Server) client(w http.ResponseWriter, c *call) error {
	ctx, done := c.ctx()
	defer done()
	info, err := s.config.Gateway.Client(ctx, c.URL.Query().Get("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, rowOf(&info, mostGroups))
}

// explain serves GET /api/explain, as the control API does GET /v1/explain.
func (s *Server) explain(w http.ResponseWriter, c *call) error {
	q := c.URL.Query()
	ctx, done := c.ctx()
	defer done()
	x, err := s.config.Historian.Explain(ctx, gateway.Explain{UID: q.Get("uid"), ClientID: q.Get("client_id")})
	missing, err := partly(err)
	if err != nil {
		return err
	}
	ends, drops, misses := []endRow{}, []dropRow{}, []missRow{}
	for i := range x.Ends {
		ends = append(ends, endOf(&x.Ends[i]))
	}
	for _, d := range x.Drops {
		drops = append(drops, dropRow{
			Node: d.Node, First: d.First.UnixMilli(), Last: d.Last.UnixMilli(), ClientID: d.ClientID, UID: d.UID, Reason: d.Reason,
			Count: d.Count, QueuedBytes: d.QueuedBytes, QueuedFrames: d.QueuedFrames,
		})
	}
	for _, m := range x.Misses {
		misses = append(misses, missRow{m.First.UnixMilli(), m.Last.UnixMilli(), m.Count})
	}
	return writeJSON(w, map[string]any{
		"node": x.Node, "since": x.Since.UnixMilli(), "connected": orEmpty(x.Connected), "ends": ends, "drops": drops, "misses": misses,
		"clustered": s.cluster != nil, "unreachable": orEmpty(missing),
	})
}

// endRow, dropRow and missRow are what is remembered, as the page shows it. Times are
// Unix times in milliseconds.
type endRow struct {
	Node         uint16 `json:"node"`
	At           int64  `json:"at"`
	ClientID     string `json:"client_id"`
	UID          string `json:"uid"`
	RemoteAddr   string `json:"remote_addr"`
	ConnectedAt  int64  `json:"connected_at"`
	Reason       string `json:"reason"`
	Code         uint16 `json:"code"`
	QueuedBytes  int    `json:"queued_bytes"`
	QueuedFrames int    `json:"queued_frames"`
}

type dropRow struct {
	Node         uint16 `json:"node"`
	First        int64  `json:"first"`
	Last         int64  `json:"last"`
	ClientID     string `json:"client_id"`
	UID          string `json:"uid"`
	Reason       string `json:"reason"`
	Count        uint64 `json:"count"`
	QueuedBytes  int    `json:"queued_bytes"`
	QueuedFrames int    `json:"queued_frames"`
}

type missRow struct {
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Count uint64 `json:"count"`
}

func endOf(e *gateway.PastEnd) endRow {
	return endRow{
		Node: e.Node, At: e.At.UnixMilli(), ClientID: e.ClientID, UID: e.UID, RemoteAddr: e.Remote.String(), ConnectedAt: e.ConnectedAt.UnixMilli(),
		Reason: e.Reason, Code: e.Code, QueuedBytes: e.QueuedBytes, QueuedFrames: e.QueuedFrames,
	}
}
