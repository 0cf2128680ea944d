package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"castgate/internal/wstest"
)

// step is one call of a caller, or what it has to do with one client.
type step struct {
	kind       string // bind, unbind, push, online
	client     int    // that it names
	uid        string
	text       string
	begin, end int64
	complete   bool
	previous   string
	online     bool
	matched    int
}

// observed is a step from one client's side.
type observed struct {
	step
	self, delivered, certain bool
}

// trouble is a time in which a node may be missing from complete answers.
type trouble struct{ begin, end int64 }

// observer has callers use all nodes of a cluster, and checks what they have seen.
type observer struct {
	t        *testing.T
	nodes    []*wstest.Gateway
	clients  []*wstest.Client
	home     []int
	began    time.Time
	over     atomic.Bool
	mu       sync.Mutex
	steps    []step
	troubles map[int][]trouble // by node
}

var observedUIDs = []string{"u0", "u1", "u2"}

func (o *observer) now() int64 { return int64(time.Since(o.began)) }

// call does one thing through any node. A node that is not there is no answer.
func (o *observer) call(rng *rand.Rand, caller, n int) {
	g := o.nodes[rng.IntN(len(o.nodes))]
	s := step{kind: []string{"bind", "bind", "unbind", "push", "push", "push", "online"}[rng.IntN(7)], client: rng.IntN(len(o.clients)),
		uid: observedUIDs[rng.IntN(len(observedUIDs))], text: fmt.Sprintf("%d-%d", caller, n), begin: o.now()}
	id := o.clients[s.client].ID
	path, body := "/v1/"+s.kind, M{}
	switch s.kind {
	case "bind":
		body = M{"client_id": id, "uid": s.uid}
	case "unbind":
		body = M{"client_id": id}
	case "push":
		body = M{"to": M{"uids": []string{s.uid}}, "text": s.text}
	case "online":
		body = M{"client_ids": []string{id}}
	}
	status, answer, err := g.TryControl("POST", path, body)
	s.end = o.now()
	s.complete = err == nil && status == 200 && answer["complete"] == true
	if s.complete {
		s.previous, _ = answer["previous_uid"].(string)
		s.matched = number(cmp.Or[any](answer["matched"], 0.0))
		if list, ok := answer["client_ids"].(map[string]any); ok {
			s.online, _ = list[id].(bool)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || status != 200 { // it may take place at any time
		s.end = 1 << 62
	}
	o.steps = append(o.steps, s)
}

// during does something to a node that may be missing until it is back.
func (o *observer) during(node int, do func()) {
	begin := o.now()
	do()
	wstest.AwaitWhole(o.nodes...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.troubles[node] = append(o.troubles[node], trouble{begin, o.now()})
}

// missing tells whether a step may lack a client, as its node was in trouble.
func (o *observer) missing(s *step, client int) bool {
	return slices.ContainsFunc(o.troubles[o.home[client]], func(tr trouble) bool { return s.begin <= tr.end && s.end >= tr.begin })
}

var observedModel = porcupine.NondeterministicModel{
	Init:  func() []interface{} { return []interface{}{""} },
	Equal: func(a, b interface{}) bool { return a == b },
	Step: func(state, in, _ interface{}) []interface{} {
		uid, o := state.(string), in.(observed)
		next := uid
		switch {
		case o.kind == "push":
			if o.delivered != (uid == o.uid) && (o.delivered || o.certain) {
				return nil
			}
			return []interface{}{uid}
		case o.kind == "online":
			if o.certain && !o.online {
				return nil
			}
			return []interface{}{uid}
		case o.kind == "bind":
			next = o.uid
		case o.kind == "unbind":
			next = ""
		}
		switch {
		case !o.certain:
			return []interface{}{uid, next}
		case o.previous != uid:
			return nil
		}
		return []interface{}{next}
	},
}

// check holds what was seen against the contract.
func (o *observer) check() {
	got := make([]map[string]bool, len(o.clients))
	for i, c := range o.clients {
		got[i] = map[string]bool{}
		for text := c.Next().Data; text != "end"; text = c.Next().Data {
			if got[i][text] {
				o.t.Errorf("client %d got %s twice", i, text)
			}
			got[i][text] = true
		}
	}
	complete := 0
	for _, s := range o.steps {
		if s.complete {
			complete++
		}
	}
	for i := range o.clients {
		var history []porcupine.Operation
		for _, s := range o.steps {
			one := observed{step: s, self: s.client == i, delivered: got[i][s.text], certain: s.complete && !o.missing(&s, i)}
			if s.kind == "push" || one.self {
				history = append(history, porcupine.Operation{ClientId: len(history), Input: one, Call: s.begin, Return: s.end})
			}
		}
		if porcupine.CheckOperationsTimeout(observedModel.ToModel(), history, 30*time.Second) == porcupine.Illegal {
			o.t.Errorf("the history of client %d, of node %d, can't be", i, o.home[i]+1)
		}
	}
	o.t.Logf("%d calls, %d complete", len(o.steps), complete)
	if complete < len(o.steps)/4 {
		o.t.Error("too few complete answers to tell")
	}
}

// Histories of callers through all nodes of a cluster over a real NATS keep the
// contract, while nodes are stopped for longer than their lease and killed, and NATS
// is restarted.
func TestClusterHistory(t *testing.T) {
	t.Parallel()
	nats, secret := newNATS(t).start(), clusterSecret(t, someSecret)
	o := &observer{t: t, began: time.Now(), troubles: map[int][]trouble{}}
	for i := range 3 {
		o.nodes = append(o.nodes, wstest.Start(t, natsFlags(i+1, secret, "nats://"+nats.addr)...))
	}
	wstest.AwaitWhole(o.nodes...)
	for i := range 6 { // node 3 has none: it may be killed
		o.clients, o.home = append(o.clients, o.nodes[i%2].Dial(t)), append(o.home, i%2)
	}
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(caller), 1))
			for n := 0; !o.over.Load(); n++ {
				o.call(rng, caller, n)
				time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
			}
		})
	}
	o.during(1, func() { // until the others have gone on without it
		goOn := pause(t, o.nodes[1])
		wstest.AwaitWhole(o.nodes[0], o.nodes[2])
		goOn()
	})
	o.during(2, func() {
		o.nodes[2].Kill()
		wstest.AwaitWhole(o.nodes[:2]...)
		o.nodes[2].Restart()
	})
	o.during(2, func() {
		nats.kill()
		nats.start()
	})
	o.over.Store(true)
	callers.Wait()
	expectFields(t, o.nodes[2].OK("POST", "/v1/push", M{"to": M{"all": true}, "text": "end", "wait": "written"}), M{"written": 6, "complete": true})
	o.check()
}

// The model finds a push that should have come, one that should not, and a bind that
// forgot the one before; what nobody knows is no fault.
func TestObservedModel(t *testing.T) {
	bind := observed{step: step{kind: "bind", uid: "u1"}, certain: true}
	again := observed{step: step{kind: "bind", uid: "u2", previous: "u1"}, certain: true}
	forgot := observed{step: step{kind: "bind", uid: "u2"}, certain: true}
	vague := observed{step: step{kind: "bind", uid: "u1"}}
	came := observed{step: step{kind: "push", uid: "u1"}, delivered: true, certain: true}
	missed := observed{step: step{kind: "push", uid: "u1"}, certain: true}
	unknown := observed{step: step{kind: "push", uid: "u1"}}
	for i, tt := range []struct {
		steps []observed
		legal bool
	}{
		{[]observed{bind, came, again, missed}, true}, {[]observed{bind, missed}, false}, {[]observed{came}, false}, {[]observed{bind, forgot}, false},
		{[]observed{vague, came, again}, true}, {[]observed{vague, missed}, true}, {[]observed{vague, came, missed}, false}, {[]observed{bind, unknown}, true},
	} {
		var history []porcupine.Operation
		for at, one := range tt.steps {
			history = append(history, porcupine.Operation{ClientId: 0, Input: one, Call: int64(2 * at), Return: int64(2*at + 1)})
		}
		if legal := porcupine.CheckOperations(observedModel.ToModel(), history); legal != tt.legal {
			t.Errorf("history %d is legal: %v", i, legal)
		}
	}
}
