package e2e

import (
	"testing"

	"castgate/internal/wstest"
	"castgate/internal/wstest/history"
)

// Histories of callers through all nodes of a cluster over a real NATS keep the
// contract, while nodes are stopped for longer than their lease and killed, and NATS
// is restarted. make stress has longer ones.
func TestClusterHistory(t *testing.T) {
	t.Parallel()
	nats, secret := wstest.NewNATS(t).Start(), clusterSecret(t, someSecret)
	var nodes []*wstest.Gateway
	for i := range 3 {
		nodes = append(nodes, wstest.Start(t, natsFlags(i+1, secret, nats.URL())...))
	}
	wstest.AwaitWhole(nodes...)
	o := history.Begin(t, nodes, []int{0, 1}, 4, 1) // node 3 has no clients: it is killed
	o.During(1, func() {                            // until the others have gone on without it
		goOn := pause(t, nodes[1])
		wstest.AwaitWhole(nodes[0], nodes[2])
		goOn()
	})
	o.During(2, func() {
		nodes[2].Kill()
		wstest.AwaitWhole(nodes[:2]...)
		nodes[2].Restart()
	})
	o.During(2, func() {
		nats.Kill()
		nats.Start()
	})
	o.Await(300)
	calls, complete := o.End()
	t.Logf("%d calls, %d complete", calls, complete)
	if complete < calls/4 {
		t.Error("too few complete answers to tell")
	}
}
