package cluster

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

var errCursor = &gateway.Error{Code: gateway.CodeInvalidCursor, Detail: "the cursor is not one that a page gave"}

// lister makes the pages of listings.
type lister struct {
	*caller
	asked gateway.Asked
}

// cursor is where a listing goes on that pages through one node after the other.
type cursor struct {
	node  uint16
	local string // the node's own; "" is its beginning
}

func (c cursor) String() string { return fmt.Sprintf("%04x-%s", c.node, c.local) }

func parseCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	node, local, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(node, 16, 16)
	if !ok || err != nil || len(node) != 4 {
		return c, errCursor
	}
	return cursor{uint16(n), local}, nil
}

// Clients implements gateway.Gateway. The nodes follow each other in their order.
func (n *Node) Clients(ctx context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	if err := checkList(n.local, &q); err != nil {
		return gateway.Page[gateway.ClientInfo]{}, err
	}
	return nodeByNode(ctx, n.lister, message.VerbClients, q, n.local.Clients, func(r *message.Reply) []gateway.ClientInfo { return r.Clients }, nil)
}

// UIDs implements gateway.Gateway.
func (n *Node) UIDs(ctx context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	if err := checkList(n.local, &q); err != nil {
		return gateway.Page[gateway.NameCount]{}, err
	}
	return n.lister.names(ctx, message.VerbUIDs, q, n.local.UIDs)
}

// Groups implements gateway.Gateway.
func (n *Node) Groups(ctx context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	if err := checkList(n.local, &q); err != nil {
		return gateway.Page[gateway.NameCount]{}, err
	}
	return n.lister.names(ctx, message.VerbGroups, q, n.local.Groups)
}

// checkList checks the names of a listing before other nodes are asked, which do not.
func checkList(local gateway.Home, q *gateway.List) error {
	var uids, groups []string
	if q.UID != "" {
		uids = []string{q.UID}
	}
	if q.Group != "" {
		groups = []string{q.Group}
	}
	return local.CheckNames(uids, groups)
}

type pageOf[T any] func(ctx context.Context, q gateway.List) (gateway.Page[T], error)

// nodeByNode is a page of the rows of all nodes, those of the lowest first. select
// takes rows out that are not wanted; it may be nil.
func nodeByNode[T any](ctx context.Context, n *lister, verb message.Verb, q gateway.List, local pageOf[T], rows func(*message.Reply) []T,
	sift func(ctx context.Context, node uint16, rows []T) ([]T, error)) (page gateway.Page[T], err error) {
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	limit := q.Limit
	var holes gateway.Incomplete
	members := n.inOrder()
	if at.local != "" && !slices.ContainsFunc(members, func(m message.Member) bool { return m.Node == at.node }) {
		holes.Unreachable = append(holes.Unreachable, at.node) // it has left in the middle of its rows
	}
	for _, m := range members {
		if m.Node < at.node {
			continue
		}
		if m.Node > at.node {
			at = cursor{node: m.Node}
		}
		for {
			q.Cursor, q.Limit = at.local, limit-len(page.Rows)
			one, err := onePage(ctx, n, m, verb, q, local, rows)
			if hole, ok := err.(*gateway.Incomplete); ok {
				holes.Unreachable = append(holes.Unreachable, hole.Unreachable...)
				break
			} else if err != nil {
				return page, err
			}
			if sift != nil {
				one.Rows, err = sift(ctx, m.Node, one.Rows)
				if hole, ok := err.(*gateway.Incomplete); ok {
					holes.Unreachable = append(holes.Unreachable, hole.Unreachable...)
				} else if err != nil {
					return page, err
				}
			}
			page.Rows = append(page.Rows, one.Rows...)
			if at.local = one.Next; at.local == "" {
				at = cursor{node: m.Node + 1}
				break
			}
			if len(page.Rows) >= limit {
				break
			}
		}
		if len(page.Rows) >= limit && (at.local != "" || n.after(m.Node)) {
			page.Next = at.String()
			break
		}
	}
	return page, n.whole(ctx, &holes)
}

// defaultPage is how many rows a page has unless its limit is given.
const defaultPage = 100

// whole adds what this node's own standing lacks to what a listing does.
func (n *lister) whole(ctx context.Context, holes *gateway.Incomplete) error {
	err := n.standing(ctx, 0)
	if hole, ok := err.(*gateway.Incomplete); ok {
		holes.Unreachable = append(holes.Unreachable, hole.Unreachable...)
	}
	if err == nil && len(holes.Unreachable) == 0 {
		return nil
	}
	slices.Sort(holes.Unreachable)
	holes.Unreachable = slices.Compact(holes.Unreachable)
	return holes
}

// onePage asks one node for a page.
func onePage[T any](ctx context.Context, n *lister, m message.Member, verb message.Verb, q gateway.List, local pageOf[T], rows func(*message.Reply) []T) (page gateway.Page[T], err error) {
	if m == n.self {
		return local(ctx, q)
	}
	ctx, done := turn(ctx)
	defer done()
	c, err := n.begin(ctx, &message.Request{Verb: verb, List: q}, []message.Member{m}, nil)
	if err != nil {
		return page, err
	}
	c.finish(ctx)
	one := &c.asked[0]
	if one.state != answered || refusal(&one.reply) {
		return page, &gateway.Incomplete{Unreachable: []uint16{m.Node}}
	}
	if err := c.failure(); err != nil {
		return page, err
	}
	return gateway.Page[T]{Rows: rows(&one.reply), Next: one.reply.Next}, nil
}

// turn is how long one node may take of what is left of a listing's time: half of it.
// After one that hangs there is time for the others, and the listing is only incomplete.
func turn(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// inOrder are the members in the order of their numbers, this node included.
func (n *lister) inOrder() []message.Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.others()
	list = append(list, n.self)
	slices.SortFunc(list, message.Member.Compare)
	return list
}

// after tells whether there is a member with a higher number.
func (n *lister) after(node uint16) bool {
	list := n.inOrder()
	return list[len(list)-1].Node > node
}

// names lists names. A name that several nodes have is listed once, with the sum of
// its clients.
func (n *lister) names(ctx context.Context, verb message.Verb, q gateway.List, local pageOf[gateway.NameCount]) (gateway.Page[gateway.NameCount], error) {
	if q.UID != "" || q.Group != "" {
		return n.narrowed(ctx, verb, q, local)
	}
	rows := func(r *message.Reply) []gateway.NameCount { return r.Counts }
	// A name belongs to the page of the lowest node that has it.
	sift := func(ctx context.Context, node uint16, rows []gateway.NameCount) ([]gateway.NameCount, error) {
		lowest, err := n.addCounts(ctx, verb, rows)
		var kept []gateway.NameCount
		for i := range rows {
			if lowest[i] >= node {
				kept = append(kept, rows[i])
			}
		}
		return kept, err
	}
	return nodeByNode(ctx, n, verb, q, local, rows, sift)
}

// addCounts makes the counts of rows those of all nodes, and returns the lowest node
// that has each name. If nodes have not answered, the rest comes with an
// *gateway.Incomplete.
func (n *lister) addCounts(ctx context.Context, verb message.Verb, rows []gateway.NameCount) (lowest []uint16, err error) {
	lowest = make([]uint16, len(rows))
	if len(rows) == 0 {
		return lowest, nil
	}
	names := make([]string, len(rows))
	for i := range rows {
		names[i], rows[i].Clients, lowest[i] = rows[i].Name, 0, 0xffff
	}
	q := gateway.Counts{Groups: names}
	if verb == message.VerbUIDs {
		q = gateway.Counts{UIDs: names}
	}
	add := func(node uint16, i, count int) {
		if rows[i].Clients += count; count > 0 {
			lowest[i] = min(lowest[i], node)
		}
	}
	local, err := n.asked.Counts(ctx, q)
	if err != nil {
		return lowest, err
	}
	for i, count := range append(local.Groups, local.UIDs...) {
		add(n.self.Node, i, count)
	}
	c, err := n.begin(ctx, &message.Request{Verb: message.VerbCounts, To: gateway.Targets{Groups: q.Groups, UIDs: q.UIDs}}, n.holders(q.UIDs, q.Groups), nil)
	if err != nil {
		return lowest, err
	}
	c.finish(ctx)
	c.replies(func(one *question) {
		for i := range rows {
			add(one.to.Node, i, number(&one.reply, i))
		}
	})
	return lowest, c.incomplete()
}

// narrowed lists the names of some clients, as each node does: sorted, after the name
// in the cursor.
func (n *lister) narrowed(ctx context.Context, verb message.Verb, q gateway.List, local pageOf[gateway.NameCount]) (page gateway.Page[gateway.NameCount], err error) {
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	mine, err := local(ctx, q)
	if err != nil {
		return page, err
	}
	at := gateway.Targets{}
	if q.UID != "" {
		at.UIDs = []string{q.UID}
	} else {
		at.Groups = []string{q.Group}
	}
	c, err := n.begin(ctx, &message.Request{Verb: verb, List: q}, n.asking(&at, &homes{}), nil)
	if err != nil {
		return page, err
	}
	c.finish(ctx)
	rows, more := mine.Rows, mine.Next != ""
	c.replies(func(one *question) {
		rows = append(rows, one.reply.Counts...)
		more = more || one.reply.Next != ""
	})
	slices.SortFunc(rows, func(a, b gateway.NameCount) int { return cmp.Compare(a.Name, b.Name) })
	rows = slices.CompactFunc(rows, func(a, b gateway.NameCount) bool { return a.Name == b.Name })
	if len(rows) > q.Limit {
		rows, more = rows[:q.Limit], true
	}
	if page.Rows = rows; more && len(rows) > 0 {
		page.Next = hex.EncodeToString([]byte(rows[len(rows)-1].Name))
	}
	holes := gateway.Incomplete{Unreachable: slices.Clone(c.lacking.nodes)}
	_, err = n.addCounts(ctx, verb, page.Rows)
	if hole, ok := err.(*gateway.Incomplete); ok {
		holes.Unreachable = append(holes.Unreachable, hole.Unreachable...)
	} else if err != nil {
		return page, err
	}
	return page, n.whole(ctx, &holes)
}
