package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

	// nodesSaid waits until the events of a type are those of some nodes and instances.
	nodesSaid := func(kind string, want ...string) {
		t.Helper()
		wstest.Await(t, func() string {
			var got []string
			for _, e := range b.of("") {
				if e.Type == "castgate.node."+kind {
					got = append(got, fmt.Sprint(e.Data["node"], " ", e.Data["instance"]))
				}
			}
			if strings.Join(got, ", ") != strings.Join(want, ", ") {
				return fmt.Sprintf("node.%s: %q, want %q", kind, got, want)
			}
			return ""
		})
	}
	killed := "1 " + b.of(third.ID)[0].Instance
	nodes[0].Kill()
	nodesSaid("lost", killed)
	nodes[0].Restart()
	b.await(third.ID, "connected bound disconnected")
	awaitSaid("uid.offline", "ann bob")
	awaitSaid("uid.online", "ann bob")

	// One that only stands still is lost as well, and then back with its clients.
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	fourth := nodes[2].Dial(t)
	nodes[2].Bind(fourth.ID, "cid")
	awaitSaid("uid.online", "ann bob cid")
	stopped := "3 " + b.of(fourth.ID)[0].Instance
	nodes[2].Signal(syscall.SIGSTOP)
	t.Cleanup(func() { nodes[2].Signal(syscall.SIGCONT) })
	nodesSaid("lost", killed, stopped)
	nodes[2].Signal(syscall.SIGCONT)
	nodesSaid("back", stopped)
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	awaitSaid("uid.online", "ann bob cid cid") // the others may have said that it is offline
	nodes[1].Push(wstest.To("uids", "cid"), "still there")
	fourth.Expect("still there")
	fourth.Close()
	b.await(fourth.ID, "connected bound disconnected")
}
