package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
)

// memory is a gateway.Gateway for tests: clients in a map, messages that arrive at
// once.
type memory struct {
	ids     *clientid.IDs
	next    uint32
	clients map[string]*memoryClient
	order   []*memoryClient // in the order in which they connected
	watcher gateway.NameWatcher
	uses    map[use]int // clients by name
	node    uint16
	ends    []gateway.PastEnd
	misses  map[string]uint64 // by uid
	longest int               // name that callers of this gateway may use; 0: any
	failing map[string]error  // what peers are answered, by verb
	pushed  []pushed          // what it was told of pushes
	// delivered is told of each message, closed of each client that is kicked.
	delivered func(c *memoryClient, payload string)
	closed    func(c *memoryClient, code uint16)
}

type use struct {
	kind gateway.NameKind
	name string
}

// use notes that a name has a client more or less.
func (m *memory) use(kind gateway.NameKind, name string, more int) {
	if name == "" {
		return
	}
	u := use{kind, name}
	m.uses[u] += more
	switch {
	case m.uses[u] == 1 && more > 0:
		m.watcher.NameBorn(kind, name)
	case m.uses[u] == 0:
		delete(m.uses, u)
		m.watcher.NameGone(kind, name)
	}
}

// setUID gives a client another uid, "" for none.
func (m *memory) setUID(c *memoryClient, uid string) (previous string) {
	if previous = c.uid; previous != uid {
		m.use(gateway.UIDName, uid, 1)
		m.use(gateway.UIDName, previous, -1)
	}
	c.uid = uid
	return previous
}

type memoryClient struct {
	id     string
	uid    string
	groups []string
}

func (m *memory) connect() string {
	m.next++
	c := &memoryClient{id: m.ids.Of(table.MakeHandle(0, m.next, 1), 0)}
	m.clients[c.id] = c
	m.order = append(m.order, c)
	return c.id
}

func (m *memory) remove(c *memoryClient) {
	m.use(gateway.UIDName, c.uid, -1)
	for _, g := range c.groups {
		m.use(gateway.GroupName, g, -1)
	}
	delete(m.clients, c.id)
	m.order = slices.DeleteFunc(m.order, func(o *memoryClient) bool { return o == c })
}

func (m *memory) matching(to gateway.Targets, exclude, excludeUIDs []string) (list []*memoryClient) {
	for _, c := range m.order {
		if slices.Contains(exclude, c.id) || c.uid != "" && slices.Contains(excludeUIDs, c.uid) {
			continue
		}
		if to.All || slices.Contains(to.ClientIDs, c.id) || c.uid != "" && slices.Contains(to.UIDs, c.uid) ||
			slices.ContainsFunc(c.groups, func(g string) bool { return slices.Contains(to.Groups, g) }) {
			list = append(list, c)
		}
	}
	return list
}

func (m *memory) Bind(_ context.Context, b gateway.Bind) (r gateway.BindResult, err error) {
	c := m.clients[b.ClientID]
	if c == nil {
		return r, unknownClient(b.ClientID)
	}
	r.PreviousUID = m.setUID(c, b.UID)
	for _, g := range b.Groups {
		if !slices.Contains(c.groups, g) {
			c.groups = append(c.groups, g)
			m.use(gateway.GroupName, g, 1)
		}
	}
	if b.KickOld {
		for _, o := range m.matching(gateway.Targets{UIDs: []string{b.UID}}, []string{b.ClientID}, nil) {
			m.close(o, replacedCode)
			r.Kicked++
		}
	}
	return r, nil
}

func (m *memory) close(c *memoryClient, code uint16) {
	m.ends = append(m.ends, gateway.PastEnd{Node: m.node, ClientID: c.id, UID: c.uid, Code: code})
	m.remove(c)
	m.closed(c, code)
}

func (m *memory) Unbind(_ context.Context, id string) (r gateway.BindResult, err error) {
	c := m.clients[id]
	if c == nil {
		return r, unknownClient(id)
	}
	r.PreviousUID = m.setUID(c, "")
	return r, nil
}

func (m *memory) UnbindUIDs(_ context.Context, uids []string) (n int, err error) {
	for _, c := range m.matching(gateway.Targets{UIDs: uids}, nil, nil) {
		m.setUID(c, "")
		n++
	}
	return n, nil
}

func (m *memory) change(q gateway.Membership, join bool) (r gateway.MembershipResult, err error) {
	for _, id := range q.ClientIDs {
		if m.clients[id] == nil && !slices.Contains(r.UnknownClientIDs, id) {
			r.UnknownClientIDs = append(r.UnknownClientIDs, id)
		}
	}
	for _, c := range m.matching(gateway.Targets{ClientIDs: q.ClientIDs, UIDs: q.UIDs}, nil, nil) {
		for _, g := range q.Groups {
			switch i := slices.Index(c.groups, g); {
			case i < 0 && join:
				c.groups = append(c.groups, g)
				m.use(gateway.GroupName, g, 1)
				r.Changed++
			case i >= 0 && !join:
				c.groups = slices.Delete(c.groups, i, i+1)
				m.use(gateway.GroupName, g, -1)
				r.Changed++
			}
		}
	}
	return r, nil
}

func (m *memory) Join(_ context.Context, q gateway.Membership) (gateway.MembershipResult, error) {
	return m.change(q, true)
}

func (m *memory) Leave(_ context.Context, q gateway.Membership) (gateway.MembershipResult, error) {
	return m.change(q, false)
}

func (m *memory) Ungroup(_ context.Context, groups []string) (int, error) {
	ids := []string{}
	for _, c := range m.matching(gateway.Targets{Groups: groups}, nil, nil) {
		ids = append(ids, c.id)
	}
	r, err := m.change(gateway.Membership{ClientIDs: ids, Groups: groups}, false)
	return r.Changed, err
}

func (m *memory) Push(_ context.Context, p gateway.Push) (gateway.PushResult, error) {
	return m.push(p), errors.Join(m.CheckNames(p.To.UIDs, p.To.Groups), m.CheckNames(p.ExcludeUIDs, nil))
}

func (m *memory) push(p gateway.Push) gateway.PushResult {
	list := m.matching(p.To, p.ExcludeClientIDs, p.ExcludeUIDs)
	if p.OnMatched != nil {
		p.OnMatched(len(list))
	}
	for _, c := range list {
		m.delivered(c, string(p.Payload))
	}
	if p.Wait {
		return gateway.PushResult{Matched: len(list), Written: len(list)}
	}
	return gateway.PushResult{Matched: len(list), Queued: len(list)}
}

func (m *memory) Kick(_ context.Context, k gateway.Kick) (int, error) {
	return m.kick(k), m.CheckNames(k.To.UIDs, k.To.Groups)
}

func (m *memory) kick(k gateway.Kick) int {
	list := m.matching(k.To, k.ExcludeClientIDs, k.ExcludeUIDs)
	for _, c := range list {
		m.close(c, k.Code)
	}
	return len(list)
}

func (m *memory) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	return m.online(q), m.CheckNames(q.UIDs, nil)
}

func (m *memory) online(q gateway.Online) (r gateway.OnlineResult) {
	for _, id := range q.ClientIDs {
		r.Clients = append(r.Clients, m.clients[id] != nil)
	}
	for _, u := range q.UIDs {
		r.UIDs = append(r.UIDs, len(m.matching(gateway.Targets{UIDs: []string{u}}, nil, nil)))
	}
	return r
}

func (m *memory) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	return m.counts(q), m.CheckNames(q.UIDs, q.Groups)
}

func (m *memory) counts(q gateway.Counts) (r gateway.CountsResult) {
	for _, g := range q.Groups {
		r.Groups = append(r.Groups, len(m.matching(gateway.Targets{Groups: []string{g}}, nil, nil)))
	}
	for _, u := range q.UIDs {
		r.UIDs = append(r.UIDs, len(m.matching(gateway.Targets{UIDs: []string{u}}, nil, nil)))
	}
	return r
}

func (m *memory) Stats(context.Context) (gateway.Stats, error) {
	return gateway.Stats{Connections: len(m.clients), Dropped: map[string]uint64{"slow": 1}}, nil
}

func (m *memory) Client(_ context.Context, id string) (gateway.ClientInfo, error) {
	if c := m.clients[id]; c != nil {
		return gateway.ClientInfo{ClientID: id, UID: c.uid, Groups: c.groups}, nil
	}
	return gateway.ClientInfo{}, unknownClient(id)
}

func (m *memory) Explain(_ context.Context, q gateway.Explain) (x gateway.Explanation, err error) {
	x = gateway.Explanation{Node: m.node, Since: time.Unix(int64(m.node), 0)}
	for _, e := range m.ends {
		if q.UID != "" && e.UID == q.UID || e.ClientID == q.ClientID {
			x.Ends = append(x.Ends, e)
		}
	}
	for _, c := range m.matching(gateway.Targets{UIDs: []string{q.UID}, ClientIDs: []string{q.ClientID}}, nil, nil) {
		x.Connected = append(x.Connected, c.id)
	}
	if n := m.misses[q.UID]; n > 0 {
		x.Misses = []gateway.PastMiss{{Count: n}}
	}
	return x, nil
}

func (m *memory) Tail(gateway.TailFilter) (gateway.Tail, error) { return nil, errors.New("no tail") }

// pushed is what a gateway was told of a push.
type pushed struct {
	matched  int
	complete bool
}

func (m *memory) Pushed(p *gateway.Push, matched int, complete bool) {
	m.pushed = append(m.pushed, pushed{matched, complete})
	if matched > 0 || !complete {
		return
	}
	for _, uid := range p.To.UIDs {
		m.misses[uid]++
	}
}

func (m *memory) CheckNames(uids, groups []string) error {
	for _, name := range slices.Concat(uids, groups) {
		if m.longest > 0 && len(name) > m.longest {
			return &gateway.Error{Code: gateway.CodeInvalidName}
		}
	}
	return nil
}

func (m *memory) Peers() gateway.Asked { return asked{m} }

// asked is a memory as other nodes ask it: it fails as it was told to.
type asked struct{ *memory }

func (a asked) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	if err := a.failing["push"]; err != nil {
		return gateway.PushResult{}, err
	}
	return a.memory.push(p), nil
}

func (a asked) Kick(ctx context.Context, k gateway.Kick) (int, error) {
	if err := a.failing["kick"]; err != nil {
		return 0, err
	}
	return a.memory.kick(k), nil
}

func (a asked) Online(ctx context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	if err := a.failing["online"]; err != nil {
		return gateway.OnlineResult{}, err
	}
	return a.memory.online(q), nil
}

func (a asked) Counts(ctx context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	if err := a.failing["counts"]; err != nil {
		return gateway.CountsResult{}, err
	}
	return a.memory.counts(q), nil
}

func (a asked) Leave(ctx context.Context, q gateway.Membership) (gateway.MembershipResult, error) {
	if err := a.failing["leave"]; err != nil {
		return gateway.MembershipResult{}, err
	}
	return a.memory.change(q, false)
}

func (a asked) Clients(ctx context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	if err := a.failing["clients"]; err != nil {
		return gateway.Page[gateway.ClientInfo]{}, err
	}
	return a.memory.Clients(ctx, q)
}

// page cuts a page off sorted rows; the cursor is the last row's key.
func page[T any](rows []T, key func(T) string, q gateway.List) (p gateway.Page[T]) {
	for _, row := range rows {
		if key(row) <= q.Cursor {
			continue
		}
		if q.Limit > 0 && len(p.Rows) == q.Limit {
			p.Next = key(p.Rows[len(p.Rows)-1])
			break
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

func (m *memory) narrowed(q gateway.List) []*memoryClient {
	switch {
	case q.UID != "":
		return m.matching(gateway.Targets{UIDs: []string{q.UID}}, nil, nil)
	case q.Group != "":
		return m.matching(gateway.Targets{Groups: []string{q.Group}}, nil, nil)
	}
	return m.order
}

func (m *memory) Clients(_ context.Context, q gateway.List) (gateway.Page[gateway.ClientInfo], error) {
	var rows []gateway.ClientInfo
	for _, c := range m.narrowed(q) {
		rows = append(rows, gateway.ClientInfo{ClientID: c.id, UID: c.uid, Groups: c.groups})
	}
	key := func(c gateway.ClientInfo) string { return c.ClientID }
	slices.SortFunc(rows, func(a, b gateway.ClientInfo) int { return compare(a.ClientID, b.ClientID) })
	return page(rows, key, q), nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (m *memory) names(q gateway.List, of func(*memoryClient) []string) gateway.Page[gateway.NameCount] {
	count := map[string]int{}
	for _, c := range m.narrowed(q) {
		for _, name := range of(c) {
			count[name]++
		}
	}
	var rows []gateway.NameCount
	for name, n := range count {
		rows = append(rows, gateway.NameCount{Name: name, Clients: n})
	}
	slices.SortFunc(rows, func(a, b gateway.NameCount) int { return compare(a.Name, b.Name) })
	key := func(r gateway.NameCount) string { return r.Name }
	if q.UID != "" || q.Group != "" { // as the server does, in hexadecimal
		key = func(r gateway.NameCount) string { return hex.EncodeToString([]byte(r.Name)) }
	}
	return page(rows, key, q)
}

func (m *memory) UIDs(_ context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	return m.names(q, func(c *memoryClient) []string {
		if c.uid == "" {
			return nil
		}
		return []string{c.uid}
	}), nil
}

func (m *memory) Groups(_ context.Context, q gateway.List) (gateway.Page[gateway.NameCount], error) {
	return m.names(q, func(c *memoryClient) []string { return c.groups }), nil
}

func (m *memory) PutSession(_ context.Context, id string, s json.RawMessage) (json.RawMessage, error) {
	if m.clients[id] == nil {
		return nil, unknownClient(id)
	}
	return s, nil
}

func (m *memory) PatchSession(ctx context.Context, id string, s json.RawMessage) (json.RawMessage, error) {
	return m.PutSession(ctx, id, s)
}

// isUnknown tells whether an error is that no node has a client.
func isUnknown(err error) bool {
	return errors.Is(err, &gateway.Error{Code: gateway.CodeUnknownClient})
}
