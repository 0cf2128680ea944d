package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/valyala/fasthttp"

	"castgate/server"
)

const (
	ndjsonType = "application/x-ndjson"
	// streamPage is how many rows a stream asks the gateway for at a time.
	streamPage = 1000
)

type nameRow struct {
	UID     string `json:"uid,omitempty"`
	Group   string `json:"group,omitempty"`
	Clients int    `json:"clients"`
}

// pager answers the rows of a page, ready for JSON.
type pager func(ctx context.Context, q server.List) (rows []any, next string, err error)

func serveClients(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	s.serveList(ctx, "clients", func(ctx context.Context, q server.List) ([]any, string, error) {
		return rowsOf(s.gateway.Clients(ctx, q))(func(c server.ClientInfo) any { return newClientRow(&c) })
	})
}

func serveUIDs(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	s.serveList(ctx, "uids", func(ctx context.Context, q server.List) ([]any, string, error) {
		return rowsOf(s.gateway.UIDs(ctx, q))(func(n server.NameCount) any { return nameRow{UID: n.Name, Clients: n.Clients} })
	})
}

func serveGroups(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	s.serveList(ctx, "groups", func(ctx context.Context, q server.List) ([]any, string, error) {
		return rowsOf(s.gateway.Groups(ctx, q))(func(n server.NameCount) any { return nameRow{Group: n.Name, Clients: n.Clients} })
	})
}

func rowsOf[T any](page server.Page[T], err error) func(func(T) any) ([]any, string, error) {
	return func(row func(T) any) ([]any, string, error) {
		rows := make([]any, len(page.Rows))
		for i := range page.Rows {
			rows[i] = row(page.Rows[i])
		}
		return rows, page.Next, err
	}
}

// serveList answers one page, or, as NDJSON, everything.
func (s *Server) serveList(ctx *fasthttp.RequestCtx, name string, page pager) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	q, err := listQuery(ctx.QueryArgs())
	if err != nil {
		s.finish(ctx, &c, err)
		return
	}
	if bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAccept), []byte(ndjsonType)) {
		s.stream(ctx, q, page)
		return
	}
	rows, next, err := page(s.base, q)
	if err == nil {
		var nextCursor *string
		if next != "" {
			nextCursor = &next
		}
		c.out, err = json.Marshal(map[string]any{name: rows, "next_cursor": nextCursor})
	}
	s.finish(ctx, &c, err)
}

// stream writes every row, a page at a time, so that a million clients are
// never in memory at once. It ends early when the caller is gone.
func (s *Server) stream(ctx *fasthttp.RequestCtx, q server.List, page pager) {
	q.Limit = streamPage
	rows, next, err := page(s.base, q)
	if err != nil {
		writeProblem(ctx, asProblem(err))
		return
	}
	ctx.SetContentType(ndjsonType)
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		out := json.NewEncoder(w)
		for {
			for _, row := range rows {
				if out.Encode(row) != nil {
					return
				}
			}
			if next == "" || w.Flush() != nil || s.base.Err() != nil {
				return
			}
			q.Cursor = next
			if rows, next, err = page(s.base, q); err != nil {
				return
			}
		}
	})
}

func listQuery(args *fasthttp.Args) (q server.List, err error) {
	for k, v := range args.All() {
		switch name := string(k); name {
		case "uid":
			q.UID = string(v)
		case "group":
			q.Group = string(v)
		case "cursor":
			q.Cursor = string(v)
		case "limit":
			if q.Limit, err = strconv.Atoi(string(v)); err != nil || q.Limit < 1 || q.Limit > server.MaxPageLen {
				return q, badRequest("invalid_limit", "limit is not a number between 1 and %d", server.MaxPageLen)
			}
		default:
			return q, badRequest("unknown_parameter", "the query has an unknown parameter %.64q", name)
		}
	}
	return q, nil
}
