package nodes

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

// Joins that come while a node is stopped: each brings a new name, so each waits.
const (
	joinsPerSecond = 1000
	joinsFor       = 6 // seconds, twice the lease
	joinsPerBatch  = 50
	joiners        = 600
)

// Joins stops node 3 and has clients of the others join a group each, a thousand a
// second. All wait for the end of node 3's lease together: once it is over, no join
// waits for it any more.
func (c *Cluster) Joins(t Trial) {
	var ids []string
	for i := range joiners {
		ids = append(ids, c.nodes[i%2].Dial(t).ID)
	}
	c.nodes[2].Signal(syscall.SIGSTOP)
	began := time.Now()
	group := func(i int) string { return fmt.Sprintf("%d-%d", began.UnixNano(), i) }
	var work sync.WaitGroup
	var waited, since atomic.Int64 // joins answered after more than a second; the longest that began after two leases, in ns
	every := time.NewTicker(time.Second * joinsPerBatch / joinsPerSecond)
	defer every.Stop()
	total := joinsPerSecond * joinsFor
	for first := 0; first < total; first += joinsPerBatch {
		<-every.C
		work.Go(func() {
			at := time.Now()
			c.joinBatch(t, first, ids, group)
			took := time.Since(at)
			if took > time.Second {
				waited.Add(joinsPerBatch)
			}
			if at.Sub(began) > 5*time.Second {
				since.Store(max(since.Load(), int64(took)))
			}
		})
	}
	work.Wait()
	t.Check(time.Since(began) < 60*time.Second, "%d joins took %v: they have waited one after the other", total, time.Since(began))
	t.Figure("%d joins, %d of them waited for the lease; the last was answered %.2f s after the stop; the slowest after the lease took %.3f s",
		total, waited.Load(), time.Since(began).Seconds(), time.Duration(since.Load()).Seconds())
	wstest.AwaitWhole(c.nodes[:2]...)
	for i := range total {
		if i%97 == 0 {
			n, complete := c.push(i/97%2, wstest.To("groups", group(i)), "x")
			t.Check(n == 1 && complete, "a push to group %d matched %d, complete %v", i, n, complete)
		}
	}
	c.nodes[2].Signal(syscall.SIGCONT)
	wstest.AwaitWhole(c.nodes...)
	n, complete := c.push(2, wstest.To("groups", group(total-1)), "x")
	t.Check(n == 1 && complete, "a push through the node that was stopped matched %d, complete %v", n, complete)
}

// joinBatch has clients join a group each, through node 1 or 2.
func (c *Cluster) joinBatch(t Trial, first int, ids []string, group func(int) string) {
	var commands []wstest.M
	for i := first; i < first+joinsPerBatch; i++ {
		commands = append(commands, wstest.M{"op": "join", "client_ids": []string{ids[i%joiners]}, "groups": []string{group(i)}})
	}
	answer := c.nodes[first/joinsPerBatch%2].OK("POST", "/v1/batch", wstest.M{"commands": commands})
	replies, _ := answer["replies"].([]any)
	t.Equal("replies to a batch", len(replies), joinsPerBatch)
	for _, one := range replies {
		body, _ := one.(map[string]any)["body"].(map[string]any)
		t.Check(body["changed"] == 1.0, "a join was answered %v", one)
	}
}
