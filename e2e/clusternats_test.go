package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// clusterSecret is a file with lines of secrets.
func clusterSecret(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	writeSecret(t, file, lines...)
	return file
}

func writeSecret(t *testing.T, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	someSecret  = "the secret of this test, 32 bytes"
	otherSecret = "another secret of 32 bytes length"
)

// natsFlags are the flags of a node over NATS.
func natsFlags(node int, secret string, urls ...string) []string {
	return []string{"--node=" + strconv.Itoa(node), "--cluster-secret=@" + secret, "--cluster-lease=1s", "--cluster-nats=" + strings.Join(urls, ",")}
}

// Two nkeys, of users whom NATS knows and does not know.
const (
	goodNKey  = "SUAPAGYMDOGQZNFXHPL66ZD3G5QQF46EOOTA4KH7BFPHNWVUFO2MYEHMXY"
	goodUser  = "UC45OZ5KSGQIH5E6SUZZ5CTSDOQFUELMNK7IYLXFKDBRQYW2ICAXAONX"
	wrongNKey = "SUAOBKRQ2NP4QOCE2DJ2SMGLHWH3INALWCKSMXW6LPB72HQO63JKD47AIU"
)

// natsCluster starts servers that know each other, speak TLS and let one user in.
func natsCluster(t *testing.T, n int, a *wstest.Authority, settings ...string) (servers []*wstest.NATS, urls []string) {
	t.Helper()
	cert := a.Issue("nats")
	var routes, listen []string
	for range n {
		listen = append(listen, wstest.FreeAddr(t))
		routes = append(routes, "nats-route://"+listen[len(listen)-1])
	}
	for i := range n {
		s := wstest.NewNATS(t, append(settings,
			fmt.Sprintf("tls { cert_file: %q, key_file: %q }", cert.Cert, cert.Key),
			fmt.Sprintf("authorization { users: [ { nkey: %s } ] }", goodUser),
			fmt.Sprintf("cluster { name: e2e, listen: %q, routes: [ %s ] }", listen[i], strings.Join(routes, ", ")))...)
		servers, urls = append(servers, s.Start()), append(urls, "tls://"+s.Addr)
	}
	return servers, urls
}

// Nodes work over a NATS of three servers, with TLS and an nkey: one of the servers may
// be killed, and what is too large for NATS reaches nobody. Who has another key stays
// outside.
func TestClusterOverNATS(t *testing.T) {
	t.Parallel()
	a := wstest.NewAuthority(t)
	servers, urls := natsCluster(t, 3, a, "max_payload: 65536")
	secret := clusterSecret(t, someSecret)
	nkey := filepath.Join(t.TempDir(), "good")
	writeSecret(t, nkey, goodNKey)
	flags := func(node int, nkey string) []string {
		return append(natsFlags(node, secret, urls...), "--cluster-tls-ca="+a.File, "--cluster-nats-nkey="+nkey)
	}
	var nodes []*wstest.Gateway
	for i := range 3 {
		nodes = append(nodes, wstest.Start(t, flags(i+1, nkey)...))
	}
	wstest.AwaitWhole(nodes...)
	var clients []*wstest.Client
	for i, g := range nodes {
		c := g.Dial(t)
		nodes[(i+1)%3].Bind(c.ID, "ann")
		clients = append(clients, c)
	}
	ann := M{"uids": []string{"ann"}}
	nodes[0].Problem(413, "message_too_large", "POST", "/v1/push", M{"to": ann, "text": strings.Repeat("x", 100_000)})

	wrong := filepath.Join(t.TempDir(), "wrong")
	writeSecret(t, wrong, wrongNKey)
	stranger := wstest.Spawn(t, wstest.Command(t, append([]string{"serve", "--listen=127.0.0.1:0", "--control=127.0.0.1:0"}, flags(4, wrong)...)...))
	wstest.Await(t, func() string { return lacks(stranger.Log(), "Authorization Violation") })

	servers[0].Kill()
	complete := 0
	for i := 0; complete < 10; i++ { // until all nodes have found another server
		answer := nodes[i%3].OK("POST", "/v1/push", M{"to": ann, "text": strconv.Itoa(i)})
		if complete++; answer["complete"] != true {
			complete = 0
		} else if answer["matched"] != 3.0 {
			t.Errorf("push %d: %v", i, answer)
		}
	}
	expectFields(t, nodes[2].OK("POST", "/v1/push", M{"to": ann, "text": "end", "wait": "written"}), M{"written": 3, "complete": true})
	for i, c := range clients {
		checkSequence(t, fmt.Sprint("client ", i), c)
	}
	nodes[0].AwaitMembers(3)
}

// checkSequence checks that a client has got numbers, each later than the one before,
// and then the end.
func checkSequence(t *testing.T, who string, c *wstest.Client) {
	t.Helper()
	last := -1
	for {
		text := c.Next().Data
		if text == "end" {
			return
		}
		n, err := strconv.Atoi(text)
		if err != nil || n <= last {
			t.Fatalf("%s got %.40q after %d", who, text, last)
		}
		last = n
	}
}

// Nodes start while NATS is away, serve their own clients and join later. NATS may go
// away under load for longer than a lease: nothing comes late or twice, and they are
// whole again by themselves.
func TestClusterNATSAway(t *testing.T) {
	t.Parallel()
	nats, secret := wstest.NewNATS(t), clusterSecret(t, someSecret)
	var control []string
	for i := range 2 {
		control = append(control, wstest.FreeAddr(t))
		p := wstest.Spawn(t, wstest.Command(t, append([]string{"serve", "--listen=127.0.0.1:0", "--control=" + control[i]}, natsFlags(i+1, secret, "nats://"+nats.Addr)...)...))
		wstest.Await(t, func() string { return lacks(p.Log(), "NATS is unreachable") })
		wstest.Await(t, func() string { return lacks(p.Log(), "castgate is serving") })
	}
	for _, address := range control {
		if status := get(t, "http://"+address+"/livez"); status != 200 {
			t.Errorf("/livez is %d without NATS", status)
		}
		if status := get(t, "http://"+address+"/readyz"); status != 503 {
			t.Errorf("/readyz is %d without NATS", status)
		}
	}
	nats.Start()
	for _, address := range control {
		wstest.Await(t, func() string {
			if status := get(t, "http://"+address+"/readyz"); status != 200 {
				return fmt.Sprint("/readyz is ", status)
			}
			return ""
		})
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// NATS goes away under load.
func TestClusterNATSAwayUnderLoad(t *testing.T) {
	t.Parallel()
	nats := wstest.NewNATS(t).Start()
	secret := clusterSecret(t, someSecret)
	var nodes []*wstest.Gateway
	var clients []*wstest.Client
	for i := range 2 {
		nodes = append(nodes, wstest.Start(t, natsFlags(i+1, secret, "nats://"+nats.Addr)...))
		clients = append(clients, nodes[i].Dial(t))
	}
	wstest.AwaitWhole(nodes...)
	for _, c := range clients {
		nodes[0].Bind(c.ID, "ann")
	}
	ann, seen := M{"uids": []string{"ann"}}, 0
	push := func(until func(i int, answer M) bool) {
		for done := false; !done; seen++ {
			entry := nodes[seen%2]
			answer := entry.OK("POST", "/v1/push", M{"to": ann, "text": strconv.Itoa(seen)})
			// A node that comes back later than a lease after the other is out for a while.
			if answer["complete"] == true && answer["matched"] != 2.0 && lacks(entry.Log(), fmt.Sprintf("left=%d", 2-seen%2)) != "" {
				t.Errorf("push %d: %v", seen, answer)
			}
			done = until(seen, answer)
		}
	}
	push(func(i int, _ M) bool { return i == 50 })
	nats.Kill()
	lost := 0
	push(func(_ int, answer M) bool {
		if answer["complete"] != true {
			lost++
		}
		return lost > 200
	})
	nats.Start()
	complete := 0
	push(func(_ int, answer M) bool {
		if complete++; answer["complete"] != true {
			complete = 0
		}
		return complete == 20
	})
	expectFields(t, nodes[1].OK("POST", "/v1/push", M{"to": ann, "text": "end", "wait": "written"}), M{"written": 2, "complete": true})
	for i, c := range clients {
		checkSequence(t, fmt.Sprint("client ", i), c)
	}
}

// Clusters with other secrets or names beside it on the same NATS do a cluster no
// harm, and a wrong secret is said.
func TestClusterNeighbours(t *testing.T) {
	t.Parallel()
	nats := wstest.NewNATS(t).Start()
	url := "nats://" + nats.Addr
	right, wrong := clusterSecret(t, someSecret), clusterSecret(t, otherSecret)
	one := wstest.Start(t, natsFlags(1, right, url)...)
	two := wstest.Start(t, natsFlags(2, right, url)...)
	named := wstest.Start(t, append(natsFlags(3, right, url), "--cluster-name=another")...)
	stranger := wstest.Start(t, natsFlags(4, wrong, url)...)
	wstest.AwaitWhole(one, two)
	wstest.AwaitWhole(named)
	wstest.AwaitWhole(stranger)
	for _, g := range []*wstest.Gateway{one, stranger} {
		g.Await(func() string { return lacks(g.Log(), "not sealed with the cluster's secret") })
	}
	if strings.Contains(named.Log(), "refused") || strings.Contains(one.Log(), "node=3") {
		t.Error("clusters of different names hear each other")
	}
	wstest.AwaitWhole(one, two)
}
