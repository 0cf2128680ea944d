package control

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server"
)

type onlineBody struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
}

func online(c *call) error {
	b, err := input[onlineBody](c)
	if err != nil {
		return err
	}
	if err := checkLists(b.ClientIDs, b.UIDs); err != nil {
		return err
	}
	r, err := c.gateway.Online(c.ctx, server.Online{ClientIDs: b.ClientIDs, UIDs: b.UIDs})
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"client_ids":`...)
	c.out = appendMap(c.out, b.ClientIDs, func(dst []byte, i int) []byte { return strconv.AppendBool(dst, r.Clients[i]) })
	c.out = append(c.out, `,"uids":`...)
	c.out = appendMap(c.out, b.UIDs, func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(r.UIDs[i]), 10) })
	c.out = append(c.out, '}')
	return nil
}

type countsBody struct {
	Groups []string `json:"groups"`
	UIDs   []string `json:"uids"`
}

func counts(c *call) error {
	b, err := input[countsBody](c)
	if err != nil {
		return err
	}
	if err := checkLists(b.Groups, b.UIDs); err != nil {
		return err
	}
	r, err := c.gateway.Counts(c.ctx, server.Counts{Groups: b.Groups, UIDs: b.UIDs})
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"groups":`...)
	c.out = appendMap(c.out, b.Groups, func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(r.Groups[i]), 10) })
	c.out = append(c.out, `,"uids":`...)
	c.out = appendMap(c.out, b.UIDs, func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(r.UIDs[i]), 10) })
	c.out = append(c.out, '}')
	return nil
}

// appendMap appends an object with the names as keys, each once.
func appendMap(dst []byte, names []string, value func([]byte, int) []byte) []byte {
	dst = append(dst, '{')
	seen := make(map[string]bool, len(names))
	for i, n := range names {
		if seen[n] {
			continue
		}
		if len(seen) > 0 {
			dst = append(dst, ',')
		}
		seen[n] = true
		dst = appendString(dst, n)
		dst = value(append(dst, ':'), i)
	}
	return append(dst, '}')
}

// clientRow is a client in JSON.
type clientRow struct {
	ClientID     string          `json:"client_id"`
	UID          *string         `json:"uid"`
	Groups       []string        `json:"groups"`
	Session      json.RawMessage `json:"session"`
	RemoteAddr   string          `json:"remote_addr"`
	ConnectedAt  string          `json:"connected_at"`
	QueuedBytes  *int            `json:"queued_bytes,omitempty"`
	QueuedFrames *int            `json:"queued_frames,omitempty"`
}

func newClientRow(c *server.ClientInfo) clientRow {
	row := clientRow{
		ClientID: c.ClientID, Groups: c.Groups, Session: c.Session, RemoteAddr: c.RemoteAddr,
		ConnectedAt: c.ConnectedAt.UTC().Format(time.RFC3339Nano),
	}
	if c.UID != "" {
		row.UID = &c.UID
	}
	if row.Groups == nil {
		row.Groups = []string{}
	}
	return row
}

func serveClient(s *Server, ctx *fasthttp.RequestCtx, id string) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	waiting, cancel := c.deadline()
	defer cancel()
	info, err := s.gateway.Client(waiting, id)
	if err == nil {
		row := newClientRow(&info)
		row.QueuedBytes, row.QueuedFrames = &info.QueuedBytes, &info.QueuedFrames
		c.out, err = json.Marshal(row)
	}
	s.finish(ctx, &c, err)
}

// statsBody is server.Stats in JSON.
type statsBody struct {
	Connections   int               `json:"connections"`
	UIDs          int               `json:"uids"`
	Groups        int               `json:"groups"`
	Sockets       int               `json:"sockets"`
	MaxConns      int               `json:"max_conns"`
	Loops         int               `json:"loops"`
	Node          uint16            `json:"node"`
	StartedAt     string            `json:"started_at"`
	Accepted      uint64            `json:"accepted"`
	Handshakes    map[string]uint64 `json:"handshakes"`
	Closes        map[string]uint64 `json:"closes"`
	Pushes        uint64            `json:"pushes"`
	PushesRefused uint64            `json:"pushes_refused"`
	Matched       uint64            `json:"matched"`
	Written       uint64            `json:"written"`
	Dropped       map[string]uint64 `json:"dropped"`
	Queued        int               `json:"queued"`
	QueuedBytes   int               `json:"queued_bytes"`
	MessagesIn    uint64            `json:"messages_received"`
	BytesIn       uint64            `json:"bytes_received"`
	BytesOut      uint64            `json:"bytes_sent"`
	Pings         uint64            `json:"pings_sent"`
	Writes        uint64            `json:"writes"`
	Panics        uint64            `json:"panics"`
	LoopLag       float64           `json:"loop_lag_seconds"`
}

func serveStats(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	st, err := s.gateway.Stats(c.ctx)
	if err == nil {
		c.out, err = json.Marshal(statsBody{
			st.Connections, st.UIDs, st.Groups, st.Sockets, st.MaxConns, st.Loops, st.Node,
			st.StartedAt.UTC().Format(time.RFC3339), st.Accepted, st.Handshakes, st.Closes,
			st.Pushes, st.PushesRefused, st.Matched, st.Written, st.Dropped, st.Queued, st.QueuedBytes,
			st.MessagesIn, st.BytesIn, st.BytesOut, st.Pings, st.Writes, st.Panics, st.LoopLag.Seconds(),
		})
	}
	s.finish(ctx, &c, err)
}
