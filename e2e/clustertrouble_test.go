package e2e

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// deaf connects a client that never reads after its init message, and returns its id.
func deaf(t *testing.T, g *wstest.Gateway) string {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// A kernel may let the buffer grow to 32 MiB.
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	text, err := bufio.NewReader(conn).ReadString('}')
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"client_id":"([^"]+)"`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no client id in %q", text)
	}
	return found[1]
}

// A node that is killed while a push waits for its client leaves an answer that is
// incomplete and names it, and whose sum is right.
func TestClusterKilledDuringWait(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3, "--send-queue=64MiB", "--ping-interval=0") // its client never answers
	reader, silent := nodes[0].Dial(t), deaf(t, nodes[2])
	nodes[1].Bind(reader.ID, "ann")
	nodes[1].Bind(silent, "ann")
	large := strings.Repeat("x", 900_000)
	nodes[2].Await(func() string { // until the kernel takes no more for it
		nodes[1].Push(wstest.To("client_ids", silent), large)
		if info := nodes[2].OK("GET", "/v1/clients/"+silent, nil); number(info["queued_frames"]) < 2 {
			return fmt.Sprint(info)
		}
		return ""
	})
	done := make(chan M)
	go func() {
		_, answer, _ := nodes[1].TryControl("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "x", "wait": "written"})
		done <- answer
	}()
	reader.Expect("x")
	for _, g := range []*wstest.Gateway{nodes[2], nodes[1]} { // through node 2, what node 3 has said before comes first
		g.Await(func() string {
			if info := g.OK("GET", "/v1/clients/"+silent, nil); number(info["queued_frames"]) < 3 {
				return fmt.Sprint(info)
			}
			return ""
		})
	}
	nodes[2].Kill()
	answer := <-done
	if answer["complete"] != false || fmt.Sprint(answer["unreachable"]) != "[3]" || answer["matched"] != 2.0 || answer["written"] != 1.0 ||
		number(answer["queued"])+number(answer["dropped"]) != 1 {
		t.Errorf("%v", answer)
	}
	wstest.AwaitWhole(nodes[:2]...)
}

// Binds that come while a node is stopped wait for the end of its lease together; all
// are answered, and all are seen.
func TestClusterBindsWhileStopped(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3, "--cluster-lease=4s") // a quarter of it is left for a busy machine
	c, other := nodes[0].Dial(t), nodes[1].Dial(t)
	goOn := pause(t, nodes[2])
	const binds = 600
	wstest.Parallel(binds, 100, func(i int) {
		id := []string{c.ID, other.ID}[i%2]
		status, answer, err := nodes[i/2%2].TryControl("POST", "/v1/join", M{"client_ids": []string{id}, "groups": []string{fmt.Sprint("room ", i)}})
		if err != nil || status != 200 || answer["changed"] != 1.0 {
			t.Errorf("join %d: %d %v %v", i, status, answer, err)
		}
	})
	wstest.AwaitWhole(nodes[:2]...)
	for _, i := range []int{0, 1, binds - 2, binds - 1} {
		answer := nodes[i%2].OK("POST", "/v1/push", M{"to": M{"groups": []string{fmt.Sprint("room ", i)}}, "text": "x"})
		expectFields(t, answer, M{"matched": 1, "complete": true})
	}
	goOn()
	wstest.AwaitWhole(nodes...)
	expectFields(t, nodes[2].OK("POST", "/v1/push", M{"to": M{"groups": []string{"room 5"}}, "text": "x"}), M{"matched": 1, "complete": true})
}

// The secret is changed by restarting one node after the other; at no time a node
// stays outside, and in the end the old secret is worth nothing.
func TestClusterSecretRotation(t *testing.T) {
	t.Parallel()
	var peers, secrets []string
	var nodes []*wstest.Gateway
	for range 2 {
		peers, secrets = append(peers, wstest.FreeAddr(t)), append(secrets, clusterSecret(t, someSecret))
	}
	for i := range 2 {
		nodes = append(nodes, wstest.Start(t, "--node="+strconv.Itoa(i+1), "--cluster-secret=@"+secrets[i], "--cluster-lease=1s",
			"--cluster-listen="+peers[i], "--cluster-peers="+strings.Join(peers, ",")))
	}
	wstest.AwaitWhole(nodes...)
	for _, lines := range [][]string{{someSecret, otherSecret}, {otherSecret, someSecret}, {otherSecret}} {
		for i, g := range nodes {
			writeSecret(t, secrets[i], lines...)
			g.Stop()
			g.Restart()
			wstest.AwaitWhole(nodes...)
			c := g.Dial(t)
			nodes[1-i].Bind(c.ID, "ann")
			answer := nodes[1-i].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "x", "wait": "written"})
			if answer["complete"] != true || number(answer["written"]) < 1 {
				t.Errorf("%d secrets, node %d: %v", len(lines), i+1, answer)
			}
			c.Expect("x")
		}
	}
}

// Where PHP's front is on, client ids are those of GatewayWorker and name their node's
// gateway: every node answers for them, and what PHP binds is seen by all.
func TestClusterWithGatewayWorker(t *testing.T) {
	t.Parallel()
	program(t, "php", "php-cli")
	secret := clusterSecret(t, someSecret)
	peers := []string{wstest.FreeAddr(t), wstest.FreeAddr(t)}
	var nodes []*phpGateway
	for i := range peers {
		nodes = append(nodes, startPHPGateway(t, "", "--node="+strconv.Itoa(i+1), "--cluster-secret=@"+secret, "--cluster-lease=1s",
			"--cluster-listen="+peers[i], "--cluster-peers="+strings.Join(peers, ",")))
	}
	wstest.AwaitWhole(nodes[0].Gateway, nodes[1].Gateway)
	c := nodes[0].Dial(t)
	if len(c.ID) != 20 {
		t.Errorf("client id %q", c.ID)
	}
	nodes[0].call(t, "bindUid", c.ID, "ann")
	nodes[1].Await(func() string {
		if answer := nodes[1].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "by uid"}); answer["matched"] != 1.0 {
			return fmt.Sprint(answer)
		}
		return ""
	})
	expectFields(t, nodes[1].OK("POST", "/v1/push", M{"to": M{"client_ids": []string{c.ID}}, "text": "by id"}), M{"matched": 1, "complete": true})
	nodes[1].Bind(c.ID, "bob", "7")
	if got := nodes[0].call(t, "getUidByClientId", c.ID); got != `"bob"` {
		t.Errorf("PHP sees %s", got)
	}
	nodes[0].call(t, "sendToGroup", "7", "from PHP")
	c.Expect("by uid", "by id", "from PHP")
	nodes[0].Problem(404, "unknown_client", "POST", "/v1/unbind", M{"client_id": c.ID[:12] + "00000fff"})
}
