package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// startNodes starts a cluster of processes with embedded NATS servers.
func startNodes(t *testing.T, n int, flags ...string) []*wstest.Gateway {
	t.Helper()
	nodes, _ := wstest.StartCluster(t, n, flags...)
	return nodes
}

// Any node answers for the clients of all, in three real processes.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3)
	var clients []*wstest.Client
	for i, g := range nodes {
		c := g.Dial(t)
		clients = append(clients, c)
		nodes[(i+1)%3].Bind(c.ID, "ann", "red")
	}
	for i, g := range nodes {
		answer := g.OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}, "groups": []string{"red"}}, "text": strconv.Itoa(i), "wait": "written"})
		expectFields(t, answer, M{"matched": 3, "written": 3, "complete": true})
	}
	for _, c := range clients {
		c.Expect("0", "1", "2")
	}
	expectFields(t, nodes[0].OK("GET", "/v1/stats?cluster=1", nil), M{"connections": 3, "complete": true})
	expectFields(t, nodes[0].OK("GET", "/v1/stats", nil), M{"connections": 1})
	page := nodes[2].OK("GET", "/v1/clients", nil)
	if list, _ := page["clients"].([]any); len(list) != 3 || page["complete"] != true {
		t.Errorf("clients: %v", page)
	}
	expectFields(t, nodes[1].OK("GET", "/v1/clients/"+clients[2].ID, nil), M{"uid": "ann"})
	nodes[0].OK("PUT", "/v1/clients/"+clients[2].ID+"/session", M{"a": 1})

	answer := nodes[2].OK("POST", "/v1/bind", M{"client_id": clients[0].ID, "uid": "ann", "exclusive": "kick_old"})
	expectFields(t, answer, M{"previous_uid": "ann", "kicked": 2, "complete": true})
	clients[1].ExpectClose(4001, "replaced")
	clients[2].ExpectClose(4001, "replaced")
	nodes[1].Problem(404, "unknown_client", "POST", "/v1/bind", M{"client_id": clients[1].ID, "uid": "ann"})
	if kicked := nodes[1].OK("POST", "/v1/kick", M{"uids": []string{"ann"}, "code": 3001}); kicked["kicked"] != 1.0 {
		t.Errorf("kick: %v", kicked)
	}
	clients[0].ExpectClose(3001, "")
	expectExplained(t, nodes, clients)
}

// expectExplained expects that each node, and the program's verb, tells the ends of ann's
// clients, which were on three nodes, and of a push that found nobody.
func expectExplained(t *testing.T, nodes []*wstest.Gateway, clients []*wstest.Client) {
	t.Helper()
	expectFields(t, nodes[0].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "too late"}), M{"matched": 0, "complete": true})
	for _, g := range nodes {
		g.Await(func() string {
			out, err := wstest.Command(t, "explain", "--control="+g.ControlAddr, "--uid=ann").Output()
			var x struct {
				Ends []struct {
					Node     int
					ClientID string `json:"client_id"`
				}
				Misses   []struct{ Count int }
				Complete bool
			}
			if err != nil || json.Unmarshal(out, &x) != nil || len(x.Ends) != 3 || len(x.Misses) != 1 || x.Misses[0].Count != 1 || !x.Complete {
				return fmt.Sprintf("%s %v", out, err)
			}
			for _, e := range x.Ends {
				if e.ClientID != clients[e.Node-1].ID {
					t.Errorf("client %s ended on node %d", e.ClientID, e.Node)
				}
			}
			return ""
		})
	}
}

// A node that is killed is out after its lease, one that is stopped too; that one
// comes back by itself. A node that ends in order is out at once.
func TestClusterLosesNodes(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3)
	c := nodes[1].Dial(t)
	nodes[0].Bind(c.ID, "ann")

	goOn := pause(t, nodes[1])
	nodes[0].Await(func() string {
		if answer := nodes[0].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "while it is stopped"}); answer["complete"] != true || answer["matched"] != 0.0 {
			return fmt.Sprint(answer)
		}
		return ""
	})
	goOn()
	nodes[0].AwaitMembers(3)
	nodes[1].AwaitMembers(3)
	if n := nodes[0].Push(wstest.To("uids", "ann"), "back"); n != 1 {
		t.Errorf("matched %d after it came back", n)
	}
	c.Expect("back") // what was asked for while it was stopped never comes

	nodes[2].Kill()
	nodes[0].AwaitMembers(2)
	nodes[0].Stop()
	expectFields(t, nodes[1].OK("POST", "/v1/push", M{"to": M{"uids": []string{"ann"}}, "text": "alone"}), M{"matched": 1, "complete": true})
}

// A second process with the same number is refused, with one line that names the
// first.
func TestClusterRefusesSameNumber(t *testing.T) {
	t.Parallel()
	nodes, shared := wstest.StartCluster(t, 2)
	flags := append([]string{"serve", "--node=2", "--listen=127.0.0.1:0", "--control=127.0.0.1:0", "--cluster-listen=" + wstest.FreeAddr(t)}, shared...)
	out, err := wstest.Command(t, flags...).CombinedOutput()
	last := strings.TrimSpace(string(out))
	last = last[strings.LastIndexByte(last, '\n')+1:]
	if err == nil || !strings.Contains(last, "has the same --node: 2/") || !strings.Contains(last, nodes[1].ControlAddr) {
		t.Errorf("%v, %s", err, out)
	}
	nodes[0].AwaitMembers(2)
}

// A batch with commands for clients of many nodes is answered in its order, and so are
// clients told.
func TestClusterBatch(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t, 3)
	var clients []*wstest.Client
	var binds, pushes []M
	for i := range 30 {
		c := nodes[i%3].Dial(t)
		clients = append(clients, c)
		binds = append(binds, M{"op": "bind", "client_id": c.ID, "uid": fmt.Sprint("user ", i/2)})
	}
	binds = append(binds, M{"op": "unbind", "client_id": "nobody"})
	batch := func(g *wstest.Gateway, commands []M, check func(i int, status, body any)) {
		answer := g.OK("POST", "/v1/batch", M{"commands": commands})
		replies, _ := answer["replies"].([]any)
		if len(replies) != len(commands) {
			t.Fatalf("%d replies to %d commands", len(replies), len(commands))
		}
		for i, one := range replies {
			check(i, one.(map[string]any)["status"], one.(map[string]any)["body"])
		}
	}
	batch(nodes[0], binds, func(i int, status, body any) {
		if want := map[bool]float64{true: 200, false: 404}[i < 30]; status != want {
			t.Errorf("bind %d: %v %v", i, status, body)
		}
	})
	for i := range 90 {
		pushes = append(pushes, M{"op": "push", "to": M{"uids": []string{fmt.Sprint("user ", i%15)}}, "text": strconv.Itoa(i)})
	}
	batch(nodes[1], pushes, func(i int, status, body any) {
		if m, _ := body.(map[string]any); status != 200.0 || m["matched"] != 2.0 || m["complete"] != true {
			t.Errorf("push %d: %v %v", i, status, body)
		}
	})
	for i, c := range clients {
		var want []string
		for j := i / 2; j < 90; j += 15 {
			want = append(want, strconv.Itoa(j))
		}
		c.Expect(want...)
	}
}
