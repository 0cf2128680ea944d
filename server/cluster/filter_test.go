package cluster

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/cluster/internal/names"
	"castgate/server/gateway"
)

// sent is how many messages of some kinds all nodes have sent.
func (w *world) sent(kinds ...message.Kind) (n uint64) {
	for _, p := range w.procs {
		for _, k := range kinds {
			n += p.node.count.traffic[k].sent.Load()
		}
	}
	return n
}

// crowd are uids that nodes of a world hold, without clients.
type crowd struct {
	w      *world
	holder []int // by uid
}

func (c *crowd) name(i int) string { return "uid-" + strconv.Itoa(i) }

// move has some uids change from one node to another.
func (c *crowd) move(n int) {
	for range n {
		i := c.w.sim.Rand.IntN(len(c.holder))
		c.w.procs[c.holder[i]].local.watcher.NameGone(gateway.UIDName, c.name(i))
		c.holder[i] = c.w.sim.Rand.IntN(len(c.w.procs))
		c.w.procs[c.holder[i]].local.watcher.NameBorn(gateway.UIDName, c.name(i))
	}
}

// requestsPerHolder has 10 nodes hold uids, of which a few thousandths move in each
// second, and returns how many requests a push costs per node that holds its uid.
func requestsPerHolder(t *testing.T, uids, pushes int) float64 {
	w := newWorld(t, 1, 10)
	w.settle(20 * time.Second)
	c := &crowd{w: w, holder: make([]int, uids)}
	for i := range c.holder {
		c.holder[i] = w.sim.Rand.IntN(len(w.procs))
		w.procs[c.holder[i]].local.watcher.NameBorn(gateway.UIDName, c.name(i))
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 10*time.Second)
	holders, before := 0, w.sent(message.KindRequest)
	const seconds = 30
	for range seconds {
		c.move(uids / 500)
		w.sim.Run(time.Duration(w.sim.Now()) + time.Second)
		for range pushes / seconds {
			i, entry := w.sim.Rand.IntN(uids), w.sim.Rand.IntN(len(w.procs))
			if c.holder[i] != entry {
				holders++
			}
			w.do(w.procs[entry], func(ctx context.Context) {
				if _, err := w.procs[entry].node.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{c.name(i)}}}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	requests := w.sent(message.KindRequest) - before
	t.Logf("%d uids, %d pushes: %d requests for %d holders; %d messages with names", uids, pushes, requests, holders, w.sent(message.KindNames, message.KindNamesHeard))
	return float64(requests) / float64(holders)
}

// A push to a uid costs at most 1.05 messages for each node that holds it, while uids
// move. CASTGATE_UIDS sets how many there are.
func TestRequestsPerHolder(t *testing.T) {
	uids := 20_000
	if n, err := strconv.Atoi(os.Getenv("CASTGATE_UIDS")); err == nil {
		uids = n
	}
	if got := requestsPerHolder(t, uids, 1500); got > 1.05 || got < 1 {
		t.Errorf("%.3f messages a holder", got)
	}
}

// messagesOfRebinds is how many messages it costs that clients bind uids which their
// node has already, or had a moment ago.
func messagesOfRebinds(t *testing.T, f names.Faults) uint64 {
	w := newWorld(t, 1, 3)
	w.nameFaults = f
	p := w.startWith([]Keys{w.keys})
	w.settle(20 * time.Second)
	first, second := p.local.connect(), p.local.connect()
	bind := func(id string) {
		w.do(p, func(ctx context.Context) {
			if _, err := p.node.Bind(ctx, gateway.Bind{ClientID: id, UID: "u", Groups: []string{"g"}}); err != nil {
				t.Fatal(err)
			}
		})
	}
	bind(first)
	kinds := []message.Kind{message.KindRequest, message.KindReply, message.KindNames, message.KindNamesHeard, message.KindNamesWanted, message.KindNamesPart}
	before := w.sent(kinds...)
	for range 20 {
		bind(second)
		bind(first)
		w.do(p, func(ctx context.Context) { _, _ = p.node.Unbind(ctx, first) })
		w.do(p, func(ctx context.Context) { _, _ = p.node.Unbind(ctx, second) })
		w.sim.Run(time.Duration(w.sim.Now()) + 100*time.Millisecond)
	}
	return w.sent(kinds...) - before
}

// A bind that changes nothing at the border costs no message; if names did not
// linger, that would show.
func TestRebindsCostNothing(t *testing.T) {
	if n := messagesOfRebinds(t, names.Faults{}); n != 0 {
		t.Errorf("%d messages", n)
	}
	if n := messagesOfRebinds(t, names.Faults{NoLinger: true}); n == 0 {
		t.Error("the mistake of names that do not linger is not found")
	}
}

// A node that joins learns the names of the others, and they its; one that lacks a
// change asks for it, and is asked meanwhile.
func TestNamesOfNewcomers(t *testing.T) {
	w, ids := ready(t, 3, 2, 40)
	for i, list := range ids {
		for j, id := range list {
			_, _ = w.procs[i].local.Bind(context.Background(), gateway.Bind{ClientID: id, UID: fmt.Sprint("u", i, "-", j), Groups: []string{"g"}})
		}
	}
	w.startWith([]Keys{w.keys})
	w.settle(20 * time.Second)
	w.sim.Run(time.Duration(w.sim.Now()) + time.Second)
	for i, p := range w.procs {
		for m, one := range p.node.peers {
			if !one.names.Current() {
				t.Errorf("node %d does not know the names of %v", i+1, m)
			}
		}
	}
	p := w.procs[2]
	spared := p.node.count.spared.Load()
	for _, c := range []struct {
		to   gateway.Targets
		want int
	}{{gateway.Targets{UIDs: []string{"u0-7"}}, 1}, {gateway.Targets{UIDs: []string{"u0-7", "u1-8", "none"}}, 2}, {gateway.Targets{Groups: []string{"g"}}, 80}} {
		w.do(p, func(ctx context.Context) {
			if r, err := p.node.Push(ctx, gateway.Push{To: c.to}); err != nil || r.Matched != c.want {
				t.Errorf("%+v: %+v, %v", c.to, r, err)
			}
		})
	}
	if n := p.node.count.spared.Load() - spared; n != 1 {
		t.Errorf("%d questions were spared, want 1", n)
	}
}
