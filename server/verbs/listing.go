package verbs

import (
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"strconv"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// Clients implements Gateway. Its cursor is the handle of the last row.
func (v *Verbs) Clients(ctx context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	var page gateway.Page[gateway.ClientInfo]
	if err := v.names.checkList(&q); err != nil {
		return page, err
	}
	var after table.Handle
	if q.Cursor != "" {
		n, err := strconv.ParseUint(q.Cursor, 16, 64)
		if err != nil || len(q.Cursor) != 16 {
			return page, errCursor
		}
		after = table.Handle(n)
	}
	handles, more := v.handlesAfter(ctx, &q, after)
	size := 0
	for i, h := range handles {
		info, ok := v.info(h)
		if !ok {
			continue
		}
		page.Rows = append(page.Rows, info)
		if size += rowSize(&info); size >= maxPageBytes && i < len(handles)-1 {
			handles, more = handles[:i+1], true
			break
		}
	}
	if ctx.Err() != nil {
		return gateway.Page[gateway.ClientInfo]{}, errQuery(ctx)
	}
	if more {
		last := uint64(handles[len(handles)-1])
		page.Next = hex.EncodeToString([]byte{
			byte(last >> 56), byte(last >> 48), byte(last >> 40), byte(last >> 32),
			byte(last >> 24), byte(last >> 16), byte(last >> 8), byte(last)})
	}
	return page, nil
}

// maxPageBytes is what the rows of a page have at most before the last: a client
// may be in MaxGroupsPerClient groups and have a session of a megabyte.
const maxPageBytes = 4 << 20

// rowSize is about what a row takes as JSON, in bytes.
func rowSize(c *gateway.ClientInfo) int {
	const others = 200
	n := others + len(c.UID) + len(c.Session)
	for _, g := range c.Groups {
		n += len(g) + len(`"",`)
	}
	return n
}

// handlesAfter returns the q.Limit lowest handles above one, and whether there
// are more. What it returns is not complete if ctx is done.
func (v *Verbs) handlesAfter(ctx context.Context, q *gateway.List, after table.Handle) (handles []table.Handle, more bool) {
	if q.UID == "" && q.Group == "" {
		for h := range v.loops.After(after) {
			if len(handles) == q.Limit {
				return handles, true
			}
			handles = append(handles, h)
		}
		return handles, false
	}
	least := newLeast[table.Handle](q.Limit + 1)
	for h := range until(ctx, narrowed(v, q)) {
		if h > after && (q.UID == "" || q.Group == "" || v.loops.Registry.Groups.Snapshot(q.Group).Contains(h)) {
			least.offer(h)
		}
	}
	handles = least.sorted()
	if len(handles) > q.Limit {
		return handles[:q.Limit], true
	}
	return handles, false
}

// narrowed returns the members of the uid, or else of the group, of a listing.
func narrowed(v *Verbs, q *gateway.List) table.Snapshot {
	if q.UID != "" {
		return v.loops.Registry.UIDs.Snapshot(q.UID)
	}
	return v.loops.Registry.Groups.Snapshot(q.Group)
}

// until is the members of a set, until ctx is done: a set may have a million.
func until(ctx context.Context, set table.Snapshot) iter.Seq[table.Handle] {
	const stride = 256 // between two looks at ctx
	return func(yield func(table.Handle) bool) {
		n := 0
		for h := range set.All() {
			if n%stride == 0 && ctx.Err() != nil || !yield(h) {
				return
			}
			n++
		}
	}
}

// UIDs implements Gateway.
func (v *Verbs) UIDs(ctx context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	if err := v.names.checkList(&q); err != nil {
		return gateway.Page[gateway.NameCount]{}, err
	}
	if q.Group == "" && q.UID == "" {
		return pageOf(v.loops.Registry.UIDs, q)
	}
	return namesAfter(ctx, q, v.loops.Registry.UIDs, func(offer func(string)) {
		for h := range until(ctx, narrowed(v, &q)) {
			v.loops.Registry.Lookup(h, func(c *client.Client) {
				if c.UID != nil {
					offer(c.UID.Name())
				}
			})
		}
	})
}

// Groups implements Gateway.
func (v *Verbs) Groups(ctx context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	if err := v.names.checkList(&q); err != nil {
		return gateway.Page[gateway.NameCount]{}, err
	}
	if q.Group == "" && q.UID == "" {
		return pageOf(v.loops.Registry.Groups, q)
	}
	return namesAfter(ctx, q, v.loops.Registry.Groups, func(offer func(string)) {
		for h := range until(ctx, narrowed(v, &q)) {
			v.loops.Registry.Lookup(h, func(c *client.Client) {
				c.Groups.Each(func(e *table.Entry) { offer(e.Name()) })
			})
		}
	})
}

func pageOf(t *table.Table, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	names, counts, next, ok := t.Page(q.Cursor, q.Limit)
	if !ok {
		return gateway.Page[gateway.NameCount]{}, errCursor
	}
	page := gateway.Page[gateway.NameCount]{Next: next}
	for i, name := range names {
		page.Rows = append(page.Rows, gateway.NameCount{Name: name, Clients: counts[i]})
	}
	return page, nil
}

// namesAfter returns a page of the names that each offers, in their order and
// each once. Its cursor is the last name, in hexadecimal.
func namesAfter(ctx context.Context, q gateway.List, t *table.Table, each func(offer func(string))) (gateway.Page[gateway.NameCount], error) {
	after, err := hex.DecodeString(q.Cursor)
	if err != nil {
		return gateway.Page[gateway.NameCount]{}, errCursor
	}
	least := newLeast[string](q.Limit + 1)
	each(func(name string) {
		if name > string(after) {
			least.offer(name)
		}
	})
	if ctx.Err() != nil {
		return gateway.Page[gateway.NameCount]{}, errQuery(ctx)
	}
	names := least.sorted()
	var page gateway.Page[gateway.NameCount]
	if len(names) > q.Limit {
		names = names[:q.Limit]
		page.Next = hex.EncodeToString([]byte(names[len(names)-1]))
	}
	for _, name := range names {
		page.Rows = append(page.Rows, gateway.NameCount{Name: name, Clients: t.Count(name)})
	}
	return page, nil
}

// least keeps the n least of the values offered to it, each once, so that a
// page of a large set takes no more memory than the page.
type least[T ~string | ~uint64] struct {
	n      int
	values []T // at most 2n
}

func newLeast[T ~string | ~uint64](n int) *least[T] { return &least[T]{n: n} }

func (l *least[T]) offer(v T) {
	if len(l.values) == 2*l.n {
		l.cut()
	}
	l.values = append(l.values, v)
}

func (l *least[T]) cut() {
	slices.Sort(l.values)
	l.values = slices.Compact(l.values)
	if len(l.values) > l.n {
		l.values = l.values[:l.n]
	}
}

func (l *least[T]) sorted() []T {
	l.cut()
	return l.values
}
