package e2e

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// badLink is a proxy to NATS whose links take their time, can be cut, and be stuck with
// what is on its way.
type badLink struct {
	net.Listener
	to    string
	delay time.Duration // in each direction

	mu    sync.Mutex
	stuck *sync.Cond
	held  bool
	conns []net.Conn
}

func newBadLink(t *testing.T, to string, delay time.Duration) *badLink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &badLink{Listener: l, to: to, delay: delay}
	b.stuck = sync.NewCond(&b.mu)
	t.Cleanup(func() { l.Close(); b.hold(false); b.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			b.mu.Lock()
			b.conns = append(b.conns, in, out)
			b.mu.Unlock()
			go b.copy(in, out)
			go b.copy(out, in)
		}
	}()
	return b
}

// late is what has come, and when it goes on.
type late struct {
	at   time.Time
	data []byte
}

func (b *badLink) copy(to, from net.Conn) {
	onItsWay := make(chan late, 4096)
	go func() {
		for {
			buf := make([]byte, 4096)
			n, err := from.Read(buf)
			onItsWay <- late{time.Now().Add(b.delay), buf[:n]}
			if err != nil {
				close(onItsWay)
				return
			}
		}
	}()
	for one := range onItsWay {
		time.Sleep(time.Until(one.at))
		b.mu.Lock()
		for b.held {
			b.stuck.Wait()
		}
		b.mu.Unlock()
		if _, err := to.Write(one.data); err != nil {
			from.Close()
		}
	}
	to.Close()
}

// hold makes the links stuck, or lets what they hold go on.
func (b *badLink) hold(stuck bool) {
	b.mu.Lock()
	b.held = stuck
	b.mu.Unlock()
	b.stuck.Broadcast()
}

// cut closes the links there are.
func (b *badLink) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

// A node whose link to NATS is stuck is left out after its lease; what was asked of it
// meanwhile never comes. One whose link is cut is back at once.
func TestClusterBadLink(t *testing.T) {
	t.Parallel()
	nats, secret := wstest.NewNATS(t).Start(), clusterSecret(t, someSecret)
	link := newBadLink(t, nats.Addr, 0)
	var nodes []*wstest.Gateway
	for i, url := range []string{nats.Addr, nats.Addr, link.Addr().String()} {
		nodes = append(nodes, wstest.Start(t, natsFlags(i+1, secret, "nats://"+url)...))
	}
	wstest.AwaitWhole(nodes...)
	c := nodes[2].Dial(t)
	nodes[0].Bind(c.ID, "ann")
	ann := M{"uids": []string{"ann"}}
	nodes[0].Push(ann, "-1")
	link.hold(true)
	missing := 0
	nodes[0].Await(func() string {
		answer := nodes[0].OK("POST", "/v1/push", M{"to": ann, "text": "0"})
		if answer["complete"] == true && answer["matched"] == 0.0 {
			return ""
		}
		missing++
		return fmt.Sprint(answer)
	})
	if missing == 0 {
		t.Error("no answer was incomplete before the lease was over")
	}
	link.hold(false)
	wstest.AwaitWhole(nodes...)
	nodes[1].Push(ann, "1")
	c.Expect("-1", "1")
	sent := 1
	for range 3 {
		link.cut()
		for complete := 0; complete < 5; {
			sent++
			answer := nodes[0].OK("POST", "/v1/push", M{"to": ann, "text": strconv.Itoa(sent)})
			if complete++; answer["complete"] != true || answer["matched"] != 1.0 {
				complete = 0
			}
		}
	}
	nodes[0].Push(ann, "end")
	checkSequence(t, "the client", c)
}

// A node whose link takes 50 ms in each direction answers as the others do: what was
// answered as complete is seen through all of them, and pushes keep their order.
func TestClusterSlowLink(t *testing.T) {
	t.Parallel()
	nats, secret := wstest.NewNATS(t).Start(), clusterSecret(t, someSecret)
	const delay = 50 * time.Millisecond
	far := newBadLink(t, nats.Addr, delay)
	var nodes []*wstest.Gateway
	var clients []*wstest.Client
	for i, address := range []string{nats.Addr, nats.Addr, far.Addr().String()} {
		nodes = append(nodes, wstest.Start(t, natsFlags(i+1, secret, "nats://"+address)...))
		clients = append(clients, nodes[i].Dial(t))
	}
	wstest.AwaitWhole(nodes...)
	for i, c := range clients {
		uid := fmt.Sprint("user ", i)
		bound := nodes[(i+1)%3].OK("POST", "/v1/bind", M{"client_id": c.ID, "uid": uid, "groups": []string{"all"}})
		expectFields(t, bound, M{"complete": true})
		for text := range 5 { // in turn through all nodes
			answer := nodes[(i+text)%3].OK("POST", "/v1/push", M{"to": M{"uids": []string{uid}}, "text": strconv.Itoa(text)})
			expectFields(t, answer, M{"matched": 1, "complete": true})
		}
		c.Expect("0", "1", "2", "3", "4")
	}
	for i, g := range nodes {
		expectFields(t, g.OK("POST", "/v1/push", M{"to": M{"groups": []string{"all"}}, "text": "all", "wait": "written"}), M{"matched": 3, "written": 3, "complete": true})
		kicked := g.OK("POST", "/v1/bind", M{"client_id": clients[i].ID, "uid": "one", "exclusive": "kick_old"})
		expectFields(t, kicked, M{"kicked": min(i, 1), "complete": true})
		if i > 0 {
			nodes[(i+1)%3].Problem(404, "unknown_client", "POST", "/v1/bind", M{"client_id": clients[i-1].ID, "uid": "x"})
			clients[i-1] = nodes[i-1].Dial(t)
			nodes[2].Bind(clients[i-1].ID, fmt.Sprint("again ", i), "all")
		}
	}
	list, _ := nodes[0].OK("GET", "/v1/nodes", nil)["nodes"].([]any)
	if lag, _ := list[2].(map[string]any)["lag_seconds"].(float64); lag < (2 * delay).Seconds() {
		t.Errorf("node 3 is %v s away, as node 1 says", lag)
	}
}
