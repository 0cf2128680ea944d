package control

import (
	"bufio"
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// streamPage is how many rows a stream requests from the gateway at once.
const streamPage = 1000

// listing is one of the three listings; its rows are of type T.
type listing[T any] struct {
	name   string
	page   func(gw gateway.Gateway, ctx context.Context, q gateway.List) (gateway.Page[T], error)
	append func(dst []byte, row *T) []byte
}

func listClients(c *call) error {
	return list(c, listing[gateway.ClientInfo]{"clients", gateway.Gateway.Clients, func(dst []byte, row *gateway.ClientInfo) []byte {
		return append(appendClient(dst, row), '}')
	}})
}

func listUIDs(c *call) error {
	return list(c, listing[gateway.NameCount]{"uids", gateway.Gateway.UIDs, func(dst []byte, row *gateway.NameCount) []byte {
		return appendCount(dst, `{"uid":`, row)
	}})
}

func listGroups(c *call) error {
	return list(c, listing[gateway.NameCount]{"groups", gateway.Gateway.Groups, func(dst []byte, row *gateway.NameCount) []byte {
		return appendCount(dst, `{"group":`, row)
	}})
}

func appendCount(dst []byte, name string, row *gateway.NameCount) []byte {
	dst = wire.AppendString(append(dst, name...), row.Name)
	return append(appendInt(dst, `,"clients":`, row.Clients), '}')
}

// list answers with one page, or with everything as NDJSON.
func list[T any](c *call, l listing[T]) error {
	if prefersLines(c.http.Request.Header.Peek(fasthttp.HeaderAccept)) {
		return stream(c, l)
	}
	defer c.bound()()
	page, err := l.page(c.server.gateway, c.ctx, c.query.list)
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = append(append(append(c.out, `{"`...), l.name...), `":[`...)
	for i := range page.Rows {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = l.append(c.out, &page.Rows[i])
	}
	c.out = appendNullable(append(c.out, `],"next_cursor":`...), page.Next)
	c.end()
	c.answer(jsonType)
	return nil
}

// stream writes all rows, or as many as the request's limit, one per line. It
// requests and writes one page at a time, so that a million clients are never
// in memory at once. The first page is requested here, while errors can still
// be answered.
func stream[T any](c *call, l listing[T]) error {
	if !c.http.Request.Header.IsHTTP11() {
		return wire.Faultf(codeHTTPVersion, "a listing as %s needs HTTP/1.1", ndjsonType)
	}
	w := &streamer[T]{server: c.server, listing: l, query: c.query.list, left: c.query.list.Limit}
	w.query.Limit = w.limit()
	defer c.bound()()
	page, err := l.page(c.server.gateway, c.ctx, w.query)
	if hole, ok := err.(*gateway.Incomplete); ok { // lines have no place to say so
		return &gateway.Error{Code: gateway.CodeUnreachable, Detail: hole.Error()}
	}
	if err != nil {
		return err
	}
	c.http.Response.Header.SetContentType(ndjsonType)
	if c.http.IsHead() {
		return nil
	}
	w.conn, _ = c.http.Conn().(*callers.Conn)
	c.http.SetBodyStreamWriter(func(out *bufio.Writer) { w.write(out, page) })
	return nil
}

// streamer writes a listing on a goroutine of its own; fasthttp reads it
// through a pipe.
type streamer[T any] struct {
	server  *Server
	listing listing[T]
	conn    *callers.Conn
	query   gateway.List
	left    int // rows still wanted, 0 for all
}

func (w *streamer[T]) limit() int {
	if w.left > 0 && w.left < streamPage {
		return w.left
	}
	return streamPage
}

// next requests a page, which may take RequestTimeout.
func (w *streamer[T]) next() (gateway.Page[T], error) {
	ctx, cancel := context.WithTimeout(w.server.base, w.server.limits.Load().RequestTimeout)
	defer cancel()
	return w.listing.page(w.server.gateway, ctx, w.query)
}

// write ends when there are no more rows, when the caller disconnects or when
// the port shuts down. An incomplete listing ends before its last chunk, so
// that it cannot be mistaken for a complete one.
func (w *streamer[T]) write(out *bufio.Writer, page gateway.Page[T]) {
	complete := false
	defer func() {
		if p := recover(); p != nil {
			w.server.panicked.Add(1)
			w.server.log.Error("defect in a listing", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		if !complete && w.conn != nil {
			_ = w.conn.Close()
		}
	}()
	var line []byte
	for {
		for i := range page.Rows {
			line = append(w.listing.append(line[:0], &page.Rows[i]), '\n')
			if _, err := out.Write(line); err != nil {
				return
			}
		}
		if out.Flush() != nil {
			return
		}
		if w.left > 0 {
			if w.left -= len(page.Rows); w.left <= 0 {
				page.Next = ""
			}
		}
		if page.Next == "" {
			complete = true
			return
		}
		w.query.Cursor, w.query.Limit = page.Next, w.limit()
		var err error
		if page, err = w.next(); err != nil || w.server.base.Err() != nil {
			return
		}
		if w.conn != nil {
			// WriteTimeout applies to a page; fasthttp has set it for the whole
			// answer.
			_ = w.conn.SetWriteDeadline(time.Now().Add(w.server.config.WriteTimeout))
		}
	}
}
