package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"castgate/internal/wstest"
)

// trouble is a time in which a node may be missing from complete answers.
type trouble struct{ begin, end int64 }

// Observer has callers use all nodes of a cluster. Begin, trouble and End are for one
// goroutine.
type Observer struct {
	t     testing.TB
	nodes []*wstest.Gateway
	homes []int // nodes that have clients, which are never killed
	began time.Time

	over    atomic.Bool
	callers sync.WaitGroup

	mu       sync.Mutex // guards all below
	clients  []*resident
	here     []int // clients that callers name, the latest last
	calls    []*call
	troubles map[int][]trouble // by node
}

// resident is a client, which may be closed by a call.
type resident struct {
	*wstest.Client
	home int
	came int64
}

// mostHere is how many clients callers name at once.
const mostHere = 6

// Begin has callers begin, with clients on the nodes whose places are homes.
func Begin(t testing.TB, nodes []*wstest.Gateway, homes []int, callers int, seed uint64) *Observer {
	t.Helper()
	o := &Observer{t: t, nodes: nodes, homes: homes, began: time.Now(), troubles: map[int][]trouble{}}
	for range mostHere {
		o.connect()
	}
	for caller := range callers {
		o.callers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(caller)))
			for n := 0; !o.over.Load(); n++ {
				o.call(rng, fmt.Sprintf("%d-%d", caller, n))
				time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
			}
		})
	}
	return o
}

func (o *Observer) now() int64 { return int64(time.Since(o.began)) }

// connect connects a client in place of the oldest one that callers name.
func (o *Observer) connect() {
	o.mu.Lock()
	home := o.homes[len(o.clients)%len(o.homes)]
	o.mu.Unlock()
	c, _, err := o.nodes[home].TryDial(o.t, wstest.DialOptions{})
	if err != nil {
		o.t.Errorf("a client of node %d: %v", home+1, err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients = append(o.clients, &resident{c, home, o.now()})
	if o.here = append(o.here, len(o.clients)-1); len(o.here) > mostHere {
		o.here = slices.Delete(o.here, 0, 1)
	}
}

// call does one thing through any node.
func (o *Observer) call(rng *rand.Rand, text string) {
	o.mu.Lock()
	c := choose(rng, o.here)
	c.text = text
	id := o.clients[c.client].ID
	o.mu.Unlock()
	if !c.ask(o.nodes[rng.IntN(len(o.nodes))], id, o.now) {
		return
	}
	o.mu.Lock()
	o.calls = append(o.calls, &c)
	o.mu.Unlock()
	if c.verb == kick || c.verb == replace { // one of the clients may be gone
		o.refresh()
	}
}

// refresh replaces clients that callers name and that are gone.
func (o *Observer) refresh() {
	o.mu.Lock()
	before := len(o.here)
	o.here = slices.DeleteFunc(o.here, func(i int) bool { return len(o.here) > 1 && o.clients[i].Err() != nil })
	missing := before - len(o.here)
	o.mu.Unlock()
	for range missing {
		o.connect()
	}
}

// Calls is how many calls have ended.
func (o *Observer) Calls() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.calls)
}

// Await waits until callers have made so many calls.
func (o *Observer) Await(calls int) {
	o.t.Helper()
	last, at := 0, time.Now()
	for o.Calls() < calls {
		if n := o.Calls(); n > last {
			last, at = n, time.Now()
		} else if time.Since(at) > wstest.Patience {
			o.t.Fatalf("no call has ended for %v", wstest.Patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// During does something to a node, and waits until all nodes are whole again: until
// then it may be missing.
func (o *Observer) During(node int, do func()) {
	o.t.Helper()
	begin := o.now()
	do()
	wstest.AwaitWhole(o.nodes...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.troubles[node] = append(o.troubles[node], trouble{begin, o.now()})
}

// missing tells whether a call may lack a client, as its node was in trouble.
func (o *Observer) missing(c *call, home int) bool {
	return slices.ContainsFunc(o.troubles[home], func(tr trouble) bool { return c.begin <= tr.end && c.end >= tr.begin })
}

// End ends the callers and checks what was seen.
func (o *Observer) End() (calls, complete int) {
	o.t.Helper()
	o.over.Store(true)
	o.callers.Wait()
	wstest.AwaitWhole(o.nodes...)
	got := make([]map[string]bool, len(o.clients))
	for i, c := range o.clients {
		got[i] = o.received(i, c)
	}
	last := &call{verb: gone, begin: o.now(), end: o.now() + 1}
	for _, c := range o.calls {
		if c.complete {
			complete++
		}
	}
	for i := range o.clients {
		history := o.history(i, got[i], last)
		if porcupine.CheckOperationsTimeout(model.ToModel(), history, time.Minute) == porcupine.Illegal {
			o.t.Errorf("the history of client %d, of node %d, can't be:%s", i, o.clients[i].home+1, explain(history))
		}
	}
	return len(o.calls), complete
}

// received are the texts that a client has got. Each comes once.
func (o *Observer) received(i int, c *resident) map[string]bool {
	const end = "end"
	if answer := o.nodes[0].OK("POST", "/v1/push", wstest.M{"to": wstest.To("client_ids", c.ID), "text": end, "wait": "written"}); answer["matched"] == 1.0 {
		wstest.Await(o.t, func() string {
			if list := c.Messages(); c.Err() == nil && (len(list) == 0 || list[len(list)-1].Data != end) {
				return fmt.Sprintf("client %d has not got the last push", i)
			}
			return ""
		})
	} else {
		c.Ended()
	}
	got := map[string]bool{}
	for _, m := range c.Messages() {
		if got[m.Data] {
			o.t.Errorf("client %d got %s twice", i, m.Data)
		}
		got[m.Data] = true
	}
	return got
}

// history is what a client has seen of all calls.
func (o *Observer) history(i int, got map[string]bool, last *call) (list []porcupine.Operation) {
	me := o.clients[i]
	add := func(c *call, one observed) {
		end := c.end
		if !one.certain && c.verb == replace && !one.self {
			end = last.begin // a node that missed it is told when it is back
		}
		list = append(list, porcupine.Operation{ClientId: len(list), Input: one, Call: c.begin, Return: end})
	}
	for _, c := range o.calls {
		one := observed{call: c, self: c.client == i, delivered: got[c.text], certain: c.complete && !o.missing(c, me.home)}
		switch c.verb {
		case pushUID, pushGroup, replace:
		default:
			if !one.self {
				continue
			}
		}
		if c.verb == replace && !one.self {
			one.certain = one.certain && !c.unknown
			one.spared = o.clients[c.client].Err() != nil || c.unknown
		}
		if c.end >= me.came && !one.moot() {
			add(c, one)
		}
	}
	add(last, observed{call: last, there: me.Err() == nil})
	return list
}
