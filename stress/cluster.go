package stress

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"castgate/internal/wstest"
	"castgate/stress/internal/nodes"
)

var clustering = []Scenario{{
	Name:    "cluster-churn",
	Says:    "three nodes: bound through one, pushed to through another, while others come and go; sums are exact",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) { return prepareNodes(t, (*members).churn) },
}, {
	Name:    "cluster-loss",
	Says:    "a node is stopped for longer than its lease, one is killed: the others miss nothing, and all come back",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) { return prepareNodes(t, (*members).lose) },
}, {
	Name: "cluster-history",
	Says: "5,000 calls through all nodes, some stopped, killed, without NATS: a history that can be",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) {
		c, err := nodes.StartOverNATS(t, "1s")
		return wstest.Options{}, func(t *Trial, _ *site) { c.History(t) }, err
	},
}, {
	Name: "cluster-away",
	Says: "NATS is away for 30 s under load: own clients are served, nothing comes late or twice",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) {
		c, err := nodes.StartOverNATS(t, "3s")
		return wstest.Options{}, func(t *Trial, _ *site) { c.Away(t) }, err
	},
}, {
	Name: "cluster-joins",
	Says: "1,000 joins a second while a node is stopped: they wait for its lease together",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) {
		c := nodes.Start(t, "--cluster-lease=3s")
		return wstest.Options{}, func(t *Trial, _ *site) { c.Joins(t) }, nil
	},
}, {
	Name: "cluster-clocks",
	Says: "clocks that are 5 minutes apart: the later of two exclusive binds stays",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) {
		c, err := nodes.StartApart(t)
		return wstest.Options{}, func(t *Trial, _ *site) { c.Clocks(t) }, err
	},
}}

// members are the nodes of a cluster. The gateway of the scenario is not one of them.
type members struct {
	t     *Trial
	nodes []*wstest.Gateway

	matched atomic.Int64 // the sum over complete answers to pushes
}

const clusterNodes = 3

func prepareNodes(t *Trial, play func(*members)) (wstest.Options, func(*Trial, *site), error) {
	nodes, _ := wstest.StartCluster(t, clusterNodes)
	return wstest.Options{}, func(t *Trial, _ *site) { play(&members{t: t, nodes: nodes}) }, nil
}

// regular is a client that stays.
type regular struct {
	*wstest.Client
	uid, group string
}

// regulars connects clients to all nodes, each through a batch of another node.
func (c *members) regulars(perNode int) (list []regular) {
	var batches [clusterNodes][]wstest.M
	for i := range perNode * clusterNodes {
		r := regular{c.nodes[i%clusterNodes].Dial(c.t), fmt.Sprint("uid-", i), fmt.Sprint("group-", i%streams)}
		list = append(list, r)
		at := (i + 1) % clusterNodes
		batches[at] = append(batches[at], wstest.M{"op": "bind", "client_id": r.ID, "uid": r.uid, "groups": []string{r.group}})
	}
	for i, commands := range batches {
		answer := c.nodes[i].OK("POST", "/v1/batch", wstest.M{"commands": commands})
		replies, _ := answer["replies"].([]any)
		for _, one := range replies {
			body, _ := one.(map[string]any)["body"].(map[string]any)
			c.t.Check(body["complete"] == true, "a bind in a batch was answered %v", one)
		}
		c.t.Equal("replies to a batch", len(replies), len(commands))
	}
	return list
}

// push pushes through a node, and returns whether the answer was complete, and how
// many were matched.
func (c *members) push(node int, to wstest.M, text string) (matched int, complete bool) {
	answer := c.nodes[node].OK("POST", "/v1/push", wstest.M{"to": to, "text": text})
	complete, _ = answer["complete"].(bool)
	n, _ := answer["matched"].(float64)
	if complete {
		c.matched.Add(int64(n))
	}
	return int(n), complete
}

const (
	streams      = 3   // groups that are pushed to at once
	streamPushes = 150 // to each
)

// churn pushes numbers to groups through all nodes in turn, while visitors come to one
// node, are bound through another, get a message through a third and leave.
func (c *members) churn() {
	before := c.deliveries()
	list := c.regulars(10)
	var work sync.WaitGroup
	for s := range streams {
		work.Go(func() {
			for i := range streamPushes {
				n, complete := c.push((s+i)%clusterNodes, wstest.To("groups", fmt.Sprint("group-", s)), numbered(i, 100))
				c.t.Check(complete && n == len(list)/streams, "a push to a group matched %d of %d, complete %v", n, len(list)/streams, complete)
			}
		})
	}
	wstest.Parallel(60, 6, func(i int) {
		visitor, _, err := c.nodes[i%clusterNodes].TryDial(c.t, wstest.DialOptions{})
		if err != nil {
			c.t.Check(false, "a visitor: %v", err)
			return
		}
		uid := fmt.Sprint("visitor-", i)
		bound := c.nodes[(i+1)%clusterNodes].OK("POST", "/v1/bind", wstest.M{"client_id": visitor.ID, "uid": uid})
		c.t.Check(bound["complete"] == true, "a bind was answered %v", bound)
		n, _ := c.push((i+2)%clusterNodes, wstest.To("uids", uid), numbered(0, 10))
		c.t.Equal("visitors matched by a push through a third node", n, 1)
		visitor.Await(1)
		visitor.Close()
	})
	work.Wait()
	for i, r := range list {
		c.push(i%clusterNodes, wstest.To("uids", r.uid), numbered(streamPushes, 10))
		r.Await(streamPushes + 1)
		c.t.all(r.uid, numbersOf(r.Client), streamPushes+1)
	}
	c.t.Equal("deliveries of all nodes, as answers say", c.deliveries()-before, int(c.matched.Load()))
}

// deliveries is how many all nodes have begun.
func (c *members) deliveries() (sum int) {
	for _, g := range c.nodes {
		sum += g.Deliveries().Matched
	}
	return sum
}

// lose pushes numbers to all through node 1, while node 2 is stopped and node 3 is
// killed. Clients of node 1 get them all; those of node 2 get each at most once, and
// none late.
func (c *members) lose() {
	list := c.regulars(5)
	var pushed int
	// push pushes numbers until n answers were complete and counted that many clients.
	push := func(n, clients int) {
		for good := 0; good < n; pushed++ {
			matched, complete := c.push(0, wstest.All(), numbered(pushed, 100))
			if good++; !complete || matched != clients {
				good = 0
			}
			if pushed > 1_000_000 {
				c.t.Must(false, "a push matches %d of %d clients, complete %v", matched, clients, complete)
			}
		}
	}
	push(50, len(list))
	c.nodes[1].Signal(syscall.SIGSTOP)
	push(20, len(list)*2/3)
	stopped := pushed
	c.nodes[1].Signal(syscall.SIGCONT)
	wstest.AwaitWhole(c.nodes...)
	back := pushed
	push(50, len(list))
	c.nodes[2].Kill()
	push(20, len(list)*2/3)
	c.nodes[2].Restart()
	wstest.AwaitWhole(c.nodes...)
	last := pushed
	push(1, len(list)*2/3)
	for i, r := range list {
		switch i % clusterNodes {
		case 0:
			r.Await(pushed)
			c.t.all("a client of the node that stayed", numbersOf(r.Client), pushed)
		case 1:
			c.endsWith(r, last, stopped, back)
		case 2:
			r.Ended()
		}
	}
}

// endsWith checks a client whose node was stopped. It has received what was pushed before
// and after, each number once and in order, but not the last number that was pushed while
// the node was out.
func (c *members) endsWith(r regular, last, stopped, back int) {
	wstest.Await(c.t, func() string {
		got := numbersOf(r.Client)
		if len(got) == 0 || got[len(got)-1] < last {
			return fmt.Sprintf("a client of the node that was stopped has %d messages, not yet number %d", len(got), last)
		}
		return ""
	})
	got, seen := numbersOf(r.Client), map[int]bool{}
	for i, n := range got {
		c.t.Check(i == 0 || n > got[i-1], "%s has %d after %d", r.uid, n, got[max(i-1, 0)])
		seen[n] = true
	}
	for n := range 50 {
		c.t.Check(seen[n] && seen[back+n], "%s lacks %d or %d", r.uid, n, back+n)
	}
	c.t.Check(!seen[stopped-1], "%s has number %d, of the time in which its node was out", r.uid, stopped-1)
}
