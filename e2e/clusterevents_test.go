package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
		nodes = append(nodes, wstest.Start(t, "--node="+strconv.Itoa(i+1), "--cluster-secret=@"+secret, "--cluster-lease=3s",
			"--cluster-peers="+strings.Join(peers, ","), "--cluster-listen="+peers[i], "--events-url", b.url, "--events", "all", "--on-message", "forward",
			"--events-dir", filepath.Join(dir, fmt.Sprint("events", i)), "--events-offline-after", "50ms"))
	}
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	first, second := nodes[0].Dial(t), nodes[1].Dial(t)
	nodes[2].Bind(first.ID, "ann")
	nodes[2].Bind(second.ID, "ann")
	b.awaitUIDs("uid.online", "ann")
	first.Close()
	b.await(first.ID, "connected bound disconnected")
	third := nodes[0].Dial(t)
	nodes[0].Bind(third.ID, "bob") // after the end of first was looked at
	b.awaitUIDs("uid.online", "ann bob")
	second.Close()
	b.awaitUIDs("uid.offline", "ann")

	b.await(third.ID, "connected bound")
	killed := "1 " + b.of(third.ID)[0].Instance
	nodes[0].Kill()
	b.awaitNodes("node.lost", killed)
	nodes[0].Restart()
	b.await(third.ID, "connected bound disconnected")
	b.awaitUIDs("uid.offline", "ann bob")
	b.awaitUIDs("uid.online", "ann bob")
	standsStill(t, b, nodes, killed)
}

// standsStill has the third node stand still, after another one was killed: it is lost as
// well, and then back with its clients.
func standsStill(t *testing.T, b *eventBackend, nodes []*wstest.Gateway, killed string) {
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	fourth := nodes[2].Dial(t)
	nodes[2].Bind(fourth.ID, "cid")
	b.awaitUIDs("uid.online", "ann bob cid")
	b.await(fourth.ID, "connected bound")
	stopped := "3 " + b.of(fourth.ID)[0].Instance
	nodes[2].Signal(syscall.SIGSTOP)
	t.Cleanup(func() { nodes[2].Signal(syscall.SIGCONT) })
	b.awaitNodes("node.lost", killed, stopped)
	nodes[2].Signal(syscall.SIGCONT)
	b.awaitNodes("node.back", stopped)
	for _, g := range nodes {
		g.AwaitMembers(3)
	}
	b.awaitLast("cid", "uid.online") // the others may have said that it is offline
	nodes[1].Push(wstest.To("uids", "cid"), "still there")
	fourth.Expect("still there")
	fourth.Close()
	b.await(fourth.ID, "connected bound disconnected")
	b.awaitLast("cid", "uid.offline")
}

// awaitUIDs waits until events of a type were of these uids, in the order in which they
// were first told. A node that a busy machine did not run for a lease tells again.
func (b *eventBackend) awaitUIDs(kind, want string) {
	b.t.Helper()
	wstest.Await(b.t, func() string {
		var subjects []string
		for _, e := range b.of("") {
			if e.Type == "castgate."+kind && !slices.Contains(subjects, e.Subject) {
				subjects = append(subjects, e.Subject)
			}
		}
		if got := strings.Join(subjects, " "); got != want {
			return fmt.Sprintf("%s: %q, want %q", kind, got, want)
		}
		return ""
	})
}

// awaitLast waits until the last event of a uid has a type. If the node that says it is
// itself the one that was out, it says online twice, and nobody offline in between.
func (b *eventBackend) awaitLast(uid, want string) {
	b.t.Helper()
	wstest.Await(b.t, func() string {
		var types []string
		for _, e := range b.of(uid) {
			types = append(types, strings.TrimPrefix(e.Type, "castgate."))
		}
		if len(types) == 0 || types[len(types)-1] != want {
			return fmt.Sprintf("events of %s: %q, want %s as the last", uid, types, want)
		}
		return ""
	})
}

// awaitNodes waits until there are events of a type of these nodes and instances.
func (b *eventBackend) awaitNodes(kind string, want ...string) {
	b.t.Helper()
	wstest.Await(b.t, func() string {
		var got []string
		for _, e := range b.of("") {
			if e.Type == "castgate."+kind {
				got = append(got, fmt.Sprint(e.Data["node"], " ", e.Data["instance"]))
			}
		}
		for _, node := range want {
			if !slices.Contains(got, node) {
				return fmt.Sprintf("%s: %q, want %q", kind, got, want)
			}
		}
		return ""
	})
}
