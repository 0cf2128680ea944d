package nodes

import (
	"syscall"
	"time"

	"castgate/internal/wstest"
	"castgate/internal/wstest/history"
)

// historyCalls are made in a round, at least.
const historyCalls = 5000

// History has callers bind, join, push, kick and ask through all nodes, while node 2
// is stopped for longer than its lease, node 3 is killed and NATS is restarted, in turn.
func (c *Cluster) History(t Trial) {
	nodes := c.nodes
	o := history.Begin(t, nodes, []int{0, 1}, 6, uint64(time.Now().UnixNano()))
	for turn := 0; o.Calls() < historyCalls; turn++ {
		switch turn % 3 {
		case 0:
			o.During(1, func() {
				nodes[1].Signal(syscall.SIGSTOP)
				wstest.AwaitWhole(nodes[0], nodes[2])
				nodes[1].Signal(syscall.SIGCONT)
			})
		case 1:
			o.During(2, func() {
				nodes[2].Kill()
				wstest.AwaitWhole(nodes[:2]...)
				nodes[2].Restart()
			})
		case 2:
			o.During(2, func() {
				c.nats.Kill()
				c.nats.Start()
			})
		}
		o.Await(min(historyCalls, o.Calls()+historyCalls/10))
	}
	calls, complete := o.End()
	t.Check(calls >= historyCalls && complete > calls/4, "%d of %d calls were complete: too few to tell", complete, calls)
	t.Figure("%d calls, %d complete", calls, complete)
}
