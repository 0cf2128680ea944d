package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"castgate/server/gateway"
)

// traffic is what callers do in a world, and what happens to the nodes meanwhile.
type mayhem struct {
	world   *world
	until   int64
	clients []client
	numbers []int // of ops, by caller
}

type client struct {
	id   string
	home *proc
}

// Names of the callers. Exclusive binds have uids of their own, so that in the end
// each of these must have one connection.
var (
	sharedUIDs    = []string{"u0", "u1", "u2"}
	exclusiveUIDs = []string{"x0", "x1"}
	someGroups    = []string{"g0", "g1"}
)

func (m *mayhem) pick(list []string) string { return list[m.world.sim.Rand.IntN(len(list))] }

// connect has a client appear at a node that runs.
func (m *mayhem) connect() {
	w := m.world
	p := w.procs[w.sim.Rand.IntN(len(w.procs))]
	if p.dead || !p.host.Running() {
		return
	}
	id := p.local.connect()
	m.clients = append(m.clients, client{id, p})
	w.history.connect(w.sim.Now(), id, p.node.self)
}

// call has a caller do one thing after the other, each through any node.
func (m *mayhem) call(caller int) {
	w := m.world
	if w.sim.Now() >= m.until {
		return
	}
	again := func() { w.sim.After(w.sim.Between(0, 60*time.Millisecond), func() { m.call(caller) }) }
	p := w.procs[w.sim.Rand.IntN(len(w.procs))]
	if p.dead || !p.host.Running() || len(m.clients) == 0 {
		again()
		return
	}
	c := m.someClient()
	o := &op{kind: opKind(w.sim.Rand.IntN(int(opOnline) + 1)), caller: caller, number: m.numbers[caller], entry: p,
		begin: w.sim.Now(), client: c.id, home: c.home}
	m.numbers[caller]++
	o.payload = fmt.Sprintf("%d-%d", caller, o.number)
	switch o.kind {
	case opBind, opKickUID:
		o.name = m.pick(sharedUIDs)
	case opPushUID:
		o.name = m.pick(append(sharedUIDs, exclusiveUIDs...))
	case opBindExclusively:
		o.name = m.pick(exclusiveUIDs)
	case opJoin, opLeave, opPushGroup:
		o.name = m.pick(someGroups)
	}
	if (o.kind == opKickUID || o.kind == opKickID) && w.sim.Rand.IntN(4) > 0 {
		again()
		return
	}
	w.history.ops = append(w.history.ops, o)
	w.sim.Go(p.host, func() {
		o.do()
		o.end, o.done = w.sim.Now(), true
		again()
	})
	// Who waits for a process that has crashed gets no answer, and calls another.
	w.sim.After(20*time.Second, func() {
		if !o.done && p.dead {
			again()
		}
	})
}

// someClient is one of the latest, more often one that is there than one that is gone.
func (m *mayhem) someClient() (c client) {
	for range 5 {
		c = m.clients[len(m.clients)-1-m.world.sim.Rand.IntN(min(8, len(m.clients)))]
		if c.home.local.clients[c.id] != nil {
			break
		}
	}
	return c
}

// do carries out an op, and notes the answer.
func (o *op) do() {
	ctx, n := context.Background(), o.entry.node
	o.viewBefore = n.view
	var err error
	switch o.kind {
	case opBind, opBindExclusively:
		var r gateway.BindResult
		r, err = n.Bind(ctx, gateway.Bind{ClientID: o.client, UID: o.name, KickOld: o.kind == opBindExclusively})
		o.previous, o.kicked = r.PreviousUID, r.Kicked
	case opUnbind:
		var r gateway.BindResult
		r, err = n.Unbind(ctx, o.client)
		o.previous = r.PreviousUID
	case opJoin:
		_, err = n.Join(ctx, gateway.Membership{ClientIDs: []string{o.client}, Groups: []string{o.name}})
	case opLeave:
		_, err = n.Leave(ctx, gateway.Membership{ClientIDs: []string{o.client}, Groups: []string{o.name}})
	case opPushUID, opPushGroup, opPushAll, opPushID:
		var r gateway.PushResult
		r, err = n.Push(ctx, gateway.Push{To: o.targets(), Payload: []byte(o.payload)})
		o.matched = r.Matched
	case opKickUID, opKickID:
		o.kicked, err = n.Kick(ctx, gateway.Kick{To: o.targets(), Code: 3000})
	case opOnline:
		var r gateway.OnlineResult
		r, err = n.Online(ctx, gateway.Online{ClientIDs: []string{o.client}})
		o.online = len(r.Clients) == 1 && r.Clients[0]
	}
	var hole *gateway.Incomplete
	switch {
	case err == nil:
		o.complete = true
	case isUnknown(err):
		o.unknown = true
	case !errors.As(err, &hole):
		o.failed = true
	}
	o.view = n.view
}

func (o *op) targets() (t gateway.Targets) {
	switch o.kind {
	case opPushUID, opKickUID:
		t.UIDs = []string{o.name}
	case opPushGroup:
		t.Groups = []string{o.name}
	case opPushAll:
		t.All = true
	default:
		t.ClientIDs = []string{o.client}
	}
	return t
}

// trouble does something to the nodes, and mends it later.
func (m *mayhem) trouble() {
	w := m.world
	if w.sim.Now() >= m.until {
		return
	}
	place := w.sim.Rand.IntN(len(w.procs))
	p := w.procs[place]
	// Some last less than a lease, some longer.
	lasts := w.sim.Between(100*time.Millisecond, 7*time.Second)
	switch kind := w.sim.Rand.IntN(7); {
	case p.dead || !p.host.Running():
	case kind == 0:
		p.host.Pause()
		w.sim.After(lasts, func() { p.host.Resume() })
	case kind == 1:
		w.crash(place)
		w.sim.After(lasts, func() { w.start(place) })
	case kind == 2:
		m.split(lasts)
	case kind == 3: // the node knows that it is cut off
		p.host.SetUp(false)
		w.sim.After(lasts, func() { p.host.SetUp(true) })
	case kind == 4:
		w.net.Loss = 0.05
		w.sim.After(lasts, func() { w.net.Loss = 0 })
	case kind == 5:
		w.net.MostDelay = 80 * time.Millisecond
		w.sim.After(lasts, func() { w.net.MostDelay = 2 * time.Millisecond })
	case kind == 6:
		w.net.Repeat = 0.2
		w.sim.After(lasts, func() { w.net.Repeat = 0 })
	}
	w.sim.After(w.sim.Between(500*time.Millisecond, 5*time.Second), m.trouble)
}

// split cuts the processes in two parts.
func (m *mayhem) split(lasts time.Duration) {
	w := m.world
	w.net.Hold = w.sim.Rand.IntN(2) == 0
	var cut [][2]*proc
	side := w.sim.Rand.Uint64()
	for i, a := range w.procs {
		for j, b := range w.procs[:i] {
			if side>>i&1 != side>>j&1 {
				w.net.Cut(a.host, b.host, true)
				cut = append(cut, [2]*proc{a, b})
			}
		}
	}
	w.sim.After(lasts, func() {
		for _, pair := range cut {
			w.net.Cut(pair[0].host, pair[1].host, false)
		}
	})
}

// everybody runs callers and troubles for a time, mends everything and lets the
// cluster become whole.
func (m *mayhem) everybody(callers int, lasts time.Duration) {
	w := m.world
	w.settle(20 * time.Second)
	m.until = w.sim.Now() + int64(lasts)
	m.numbers = make([]int, callers)
	for range 4 {
		m.connect()
	}
	for i := range callers {
		m.call(i)
	}
	w.sim.After(time.Second, m.trouble)
	var arrivals func()
	arrivals = func() {
		if w.sim.Now() < m.until {
			m.connect()
			w.sim.After(w.sim.Between(0, 1500*time.Millisecond), arrivals)
		}
	}
	arrivals()
	w.sim.Run(time.Duration(m.until) + 10*time.Second)
	w.settle(60 * time.Second)
	w.sim.Run(time.Duration(w.sim.Now()) + 10*time.Second) // claims are told
}
