package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"castgate/internal/wstest"
)

// Nodes log in to a NATS with accounts by a file of credentials. One whose credentials
// are of an account that NATS does not know says why it stays alone.
func TestClusterCredentials(t *testing.T) {
	t.Parallel()
	operator, err := os.ReadFile("testdata/nats/operator.conf")
	if err != nil {
		t.Fatal(err)
	}
	nats, secret := wstest.NewNATS(t, string(operator)).Start(), clusterSecret(t, someSecret)
	flags := func(node int, creds string) []string {
		path, err := filepath.Abs("testdata/nats/" + creds)
		if err != nil {
			t.Fatal(err)
		}
		return append(natsFlags(node, secret, nats.URL()), "--cluster-nats-creds="+path)
	}
	var nodes []*wstest.Gateway
	for i := range 2 {
		nodes = append(nodes, wstest.Start(t, flags(i+1, "known.creds")...))
	}
	wstest.AwaitWhole(nodes...)
	c := nodes[0].Dial(t)
	nodes[1].Bind(c.ID, "ann")
	expectFields(t, nodes[1].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "x"}), M{"matched": 1, "complete": true})
	c.Expect("x")

	stranger := wstest.Spawn(t, wstest.Command(t, append([]string{"serve", "--listen=127.0.0.1:0", "--control=127.0.0.1:0"}, flags(3, "stranger.creds")...)...))
	wstest.Await(t, func() string { return lacks(stranger.Log(), "Authorization Violation") })
	wstest.AwaitWhole(nodes...)
}
