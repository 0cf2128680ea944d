package castgate

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Filter narrows a listing.
type Filter struct {
	// UID and Group, if not "", list only what belongs to them.
	UID, Group string
	// Limit is the most rows, 0 for all; of a page 0 is 100.
	Limit int
	// Cursor is NextCursor of the page before. Listings other than pages ignore it.
	Cursor string
}

func (f Filter) path(what string, page bool) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("uid", f.UID)
	set("group", f.Group)
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if page {
		set("cursor", f.Cursor)
	}
	path := "/v1/" + what
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// Clients lists clients as they arrive. After an error, which ends the listing, it
// is not complete.
//
//	for row, err := range gateway.Clients(ctx, castgate.Filter{Group: "news"}) {
func (c *Client) Clients(ctx context.Context, f Filter) iter.Seq2[ClientRow, error] {
	return rows[ClientRow](ctx, c, f.path("clients", false))
}

// UIDs lists uids and their numbers of connections, as Clients does.
func (c *Client) UIDs(ctx context.Context, f Filter) iter.Seq2[UIDRow, error] {
	return rows[UIDRow](ctx, c, f.path("uids", false))
}

// Groups lists groups and their numbers of members, as Clients does.
func (c *Client) Groups(ctx context.Context, f Filter) iter.Seq2[GroupRow, error] {
	return rows[GroupRow](ctx, c, f.path("groups", false))
}

// ClientPage returns a page of clients.
func (c *Client) ClientPage(ctx context.Context, f Filter) (p ClientPage, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: f.path("clients", true), safe: true}, &p)
	return p, err
}

// UIDPage returns a page of uids.
func (c *Client) UIDPage(ctx context.Context, f Filter) (p UIDPage, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: f.path("uids", true), safe: true}, &p)
	return p, err
}

// GroupPage returns a page of groups.
func (c *Client) GroupPage(ctx context.Context, f Filter) (p GroupPage, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: f.path("groups", true), safe: true}, &p)
	return p, err
}

func rows[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		in, err := c.open(ctx, call{method: http.MethodGet, path: path, lines: true, safe: true})
		if err != nil {
			yield(none, err)
			return
		}
		defer in.Close()
		lines := in.scanner()
		for lines.Scan() {
			var row T
			if err := decode(lines.Bytes(), &row); err != nil {
				yield(none, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(none, c.broken(ctx, err, in.limit, true))
		}
	}
}
