package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// TestClusterEvents: in a cluster a uid is online once, whatever node its clients are
// of, and offline when the last has gone; a node that is killed is told to be lost by
// one of the others, by the instance that its events have.
func TestClusterEvents(t *testing.T) {
	t.Parallel()
	b := newEventBackend(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("the secret of this test, 32 bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var peers []string
	for range 3 {
		peers = append(peers, wstest.FreeAddr(t))
	}
	var nodes []*wstest.Gateway
	for i := range 3 {
		nodes = append(nodes, wstest.Start(t, "--node="+strconv.Itoa(i+1), "--cluster-secret=@"+secret, "--cluster-lease=1s",
			"--cluster-peers="+strings.Join(peers, ","), "--cluster-listen="+peers[i], "--events-url", b.url, "--events", "all", "--on-message", "forward",
			"--events-dir", filepath.Join(dir, fmt.Sprint("events", i)), "--events-offline-after", "50ms"))
	}
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	// said returns the uids of events of a type, in their order.
	said := func(kind string) (subjects []string) {
		for _, e := range b.of("") {
			if e.Type == "castgate."+kind {
				subjects = append(subjects, e.Subject)
			}
		}
		return subjects
	}
	awaitSaid := func(kind, want string) {
		t.Helper()
		wstest.Await(t, func() string {
			if got := strings.Join(said(kind), " "); got != want {
				return fmt.Sprintf("%s: %q, want %q", kind, got, want)
			}
			return ""
		})
	}
	first, second := nodes[0].Dial(t), nodes[1].Dial(t)
	nodes[2].Bind(first.ID, "ann")
	nodes[2].Bind(second.ID, "ann")
	awaitSaid("uid.online", "ann")
	first.Close()
	b.await(first.ID, "connected bound disconnected")
	third := nodes[0].Dial(t)
	nodes[0].Bind(third.ID, "bob") // after the end of first was looked at
	awaitSaid("uid.online", "ann bob")
	second.Close()
	awaitSaid("uid.offline", "ann")

	instance := b.of(third.ID)[0].Instance
	nodes[0].Kill()
	wstest.Await(t, func() string {
		var lost []string
		for _, e := range b.of("") {
			if e.Type == "castgate.node.lost" {
				lost = append(lost, fmt.Sprint(e.Data["node"], " ", e.Data["instance"]))
			}
		}
		if want := "1 " + instance; strings.Join(lost, ", ") != want {
			return fmt.Sprintf("lost nodes: %q, want %q", lost, want)
		}
		return ""
	})
	nodes[0].Restart()
	b.await(third.ID, "connected bound disconnected")
	awaitSaid("uid.offline", "ann bob")
	awaitSaid("uid.online", "ann bob")
}
