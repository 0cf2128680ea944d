package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// buildNext builds castgate as a later release may be, that speaks the next version of
// the cluster's protocol.
func buildNext(t *testing.T) string {
	t.Helper()
	const name, now, next = "server/cluster/internal/message/envelope.go", "\nconst Version = 1\n", "\nconst Version = 2\n"
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), name))
	if err != nil || bytes.Count(text, []byte(now)) != 1 {
		t.Fatalf("%s says no %q: %v", name, now, err)
	}
	output := filepath.Join(t.TempDir(), "castgate")
	wstest.GoBuildAs(t, map[string][]byte{name: bytes.Replace(text, []byte(now), []byte(next), 1)}, output, "./cmd/castgate")
	return output
}

// A node that speaks another version is named by both sides and harms nobody: answers
// are those of who understands each other, and incomplete as long as it is there.
func TestClusterOtherVersion(t *testing.T) {
	t.Parallel()
	next := buildNext(t)
	nats, secret := wstest.NewNATS(t).Start(), clusterSecret(t, someSecret)
	var nodes []*wstest.Gateway
	for i := range 2 {
		nodes = append(nodes, wstest.Start(t, natsFlags(i+1, secret, nats.URL())...))
	}
	wstest.AwaitWhole(nodes...)
	clients := []*wstest.Client{nodes[0].Dial(t), nodes[1].Dial(t)}
	nodes[0].Bind(clients[0].ID, "ann")

	listen := []string{"serve", "--listen=127.0.0.1:0", "--control=" + wstest.FreeAddr(t)}
	later := wstest.Spawn(t, exec.Command(next, append(listen, natsFlags(3, secret, nats.URL())...)...))
	for _, log := range []func() string{nodes[0].Log, nodes[1].Log, later.Log} {
		wstest.Await(t, func() string { return lacks(log(), "speaks another version of the cluster's protocol") })
	}
	if !strings.Contains(nodes[0].Log(), "node=3 its_version=2 our_version=1") {
		t.Error("node 3 is not named")
	}
	ann := M{"uids": []string{"ann"}}
	bound := nodes[0].OK("POST", "/v1/bind", M{"client_id": clients[1].ID, "uid": "ann"})
	expectFields(t, bound, M{"previous_uid": nil, "complete": false, "unreachable": []any{3.0}})
	for _, g := range nodes {
		expectFields(t, g.OK("POST", "/v1/push", M{"to": ann, "text": "x"}), M{"matched": 2, "complete": false, "unreachable": []any{3.0}})
	}
	list, _ := nodes[1].OK("GET", "/v1/nodes", nil)["nodes"].([]any)
	if len(list) != 3 || list[2].(map[string]any)["state"] != "version" {
		t.Errorf("%v", list)
	}
	later.Signal(syscall.SIGTERM)
	if code := later.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("node 3 has ended with %d:\n%s", code, later.Log())
	}
	wstest.AwaitWhole(nodes...)
	expectFields(t, nodes[1].OK("POST", "/v1/push", M{"to": ann, "text": "y"}), M{"matched": 2, "complete": true})
	for _, c := range clients {
		c.Expect("x", "x", "y")
	}
}
