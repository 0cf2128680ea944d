// Package nodes plays the scenarios of stress that have several nodes and take long, or
// need more than nodes: a NATS that goes away, clocks that are apart.
package nodes

import (
	"strconv"
	"testing"

	"castgate/internal/wstest"
)

// Trial is what counts checks, see stress.Trial.
type Trial interface {
	testing.TB
	Check(ok bool, format string, args ...any)
	Equal(what string, got, want int)
	Must(ok bool, format string, args ...any)
	Figure(format string, args ...any)
}

// Cluster is some nodes that are one. A round of a scenario is a method.
type Cluster struct {
	nodes []*wstest.Gateway
	nats  *wstest.NATS // nil where it is embedded
}

// size is how many nodes there are.
const size = 3

// Start starts a cluster with embedded NATS servers.
func Start(t Trial, flags ...string) *Cluster {
	nodes, _ := wstest.StartCluster(t, size, flags...)
	return &Cluster{nodes: nodes}
}

// StartOverNATS starts NATS and a cluster over it. An error says that NATS is not
// installed.
func StartOverNATS(t Trial, lease string) (*Cluster, error) {
	if _, err := wstest.FindNATS(); err != nil {
		return nil, err
	}
	c := &Cluster{nats: wstest.NewNATS(t).Start()}
	shared := []string{"--cluster-secret=the secret of this test, 32 bytes", "--cluster-nats=" + c.nats.URL(), "--cluster-lease=" + lease}
	for i := range size {
		c.nodes = append(c.nodes, wstest.Start(t, append([]string{"--node=" + strconv.Itoa(i+1)}, shared...)...))
	}
	wstest.AwaitWhole(c.nodes...)
	return c, nil
}

// push pushes through a node, and returns whether the answer was complete, and how many
// were matched.
func (c *Cluster) push(node int, to wstest.M, text string) (matched int, complete bool) {
	answer := c.nodes[node].OK("POST", "/v1/push", wstest.M{"to": to, "text": text})
	complete, _ = answer["complete"].(bool)
	n, _ := answer["matched"].(float64)
	return int(n), complete
}
