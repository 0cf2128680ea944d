package nodes

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// natsAway is for how long NATS is away.
const natsAway = 30 * time.Second

// Away has a caller at each node push numbers to all, while NATS goes away for longer
// than ten leases and comes back. A client of a node gets each number of that node's
// caller, and those of the others in their order, none twice and none late.
func (c *Cluster) Away(t Trial) {
	var list []*wstest.Client
	for i := range 10 * size {
		list = append(list, c.nodes[i%size].Dial(t))
	}
	var over atomic.Bool
	var callers sync.WaitGroup
	var pushed [size]int
	var complete, incomplete atomic.Int64
	for node := range c.nodes {
		callers.Go(func() {
			for ; !over.Load(); pushed[node]++ {
				text := fmt.Sprintf("%d/%d", node, pushed[node])
				matched, whole := c.push(node, wstest.All(), text)
				if whole {
					complete.Add(1)
					t.Check(matched == len(list), "a complete push matched %d of %d", matched, len(list))
				} else {
					incomplete.Add(1)
					t.Check(matched >= len(list)/size, "a push through node %d matched %d, fewer than its own clients", node+1, matched)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	some := func(n *atomic.Int64, more int64) {
		want := n.Load() + more
		wstest.Await(t, func() string {
			if got := n.Load(); got < want {
				return fmt.Sprintf("%d of %d pushes", got, want)
			}
			return ""
		})
	}
	some(&complete, 100)
	c.nats.Kill()
	some(&incomplete, 100)
	time.Sleep(natsAway)
	t.Check(incomplete.Load() > 100, "no push was incomplete")
	c.nats.Start()
	back := time.Now()
	wstest.AwaitWhole(c.nodes...)
	t.Figure("%d pushes while NATS was away; %.1f s after its return all are whole", incomplete.Load(), time.Since(back).Seconds())
	some(&complete, 100)
	over.Store(true)
	callers.Wait()
	for i, r := range list {
		c.push(i%size, wstest.To("client_ids", r.ID), "end")
		wstest.Await(t, func() string {
			if got := r.Messages(); len(got) == 0 || got[len(got)-1].Data != "end" {
				return "the last push has not come"
			}
			return ""
		})
		checkNumbers(t, i%size, r, pushed)
	}
}

// checkNumbers checks what a client of a node has got of the callers of all nodes.
func checkNumbers(t Trial, home int, r *wstest.Client, pushed [size]int) {
	var last, got [size]int
	for i := range last {
		last[i] = -1
	}
	for _, m := range r.Messages() {
		var node, n int
		if m.Data == "end" {
			continue
		}
		_, err := fmt.Sscanf(m.Data, "%d/%d", &node, &n)
		t.Must(err == nil && node >= 0 && node < size, "%s got %.40q", r.ID, m.Data)
		t.Check(n > last[node], "%s of node %d has number %d of node %d after %d", r.ID, home+1, n, node+1, last[node])
		last[node] = n
		got[node]++
	}
	t.Equal(r.ID+": numbers of its own node's caller", got[home], pushed[home])
	for node := range got {
		t.Check(last[node] == pushed[node]-1, "%s lacks the last number of node %d", r.ID, node+1)
	}
}
