package wstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// StartCluster starts nodes of one cluster with embedded NATS servers, numbered from 1
// on, and waits until they know each other. shared are the flags that one more node of
// it needs, besides --node and --cluster-listen.
func StartCluster(t testing.TB, n int, flags ...string) (nodes []*Gateway, shared []string) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("the secret of this test, 32 bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for range n {
		peers = append(peers, FreeAddr(t))
	}
	shared = append([]string{"--cluster-secret=@" + secret, "--cluster-peers=" + strings.Join(peers, ",")}, flags...)
	if flagValue(flags, "--cluster-lease") == "" {
		shared = append(shared, "--cluster-lease=1s")
	}
	for i := range n {
		nodes = append(nodes, Start(t, append([]string{"--node=" + strconv.Itoa(i+1), "--cluster-listen=" + peers[i]}, shared...)...))
	}
	AwaitWhole(nodes...)
	return nodes, shared
}

// AwaitWhole waits until nodes are all members of a cluster, and answer completely.
func AwaitWhole(nodes ...*Gateway) {
	for _, g := range nodes {
		g.AwaitMembers(len(nodes))
	}
}

// AwaitMembers waits until a node is one of so many members and answers completely.
func (g *Gateway) AwaitMembers(n int) {
	g.t.Helper()
	g.Await(func() string {
		_, answer, err := g.TryControl("GET", "/v1/nodes", nil)
		if err != nil {
			return err.Error()
		}
		members := 0
		list, _ := answer["nodes"].([]any)
		for _, one := range list {
			if state := one.(map[string]any)["state"]; state == "self" || state == "member" {
				members++
			}
		}
		if counts := g.OK("POST", "/v1/counts", M{"groups": []string{"g"}}); members != n || counts["complete"] != true {
			return fmt.Sprintf("%d members, answer %v", members, counts)
		}
		return ""
	})
}
