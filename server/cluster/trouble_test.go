package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// lacksNodes tells whether an answer is incomplete for the want of exactly these.
func lacksNodes(err error, nodes ...uint16) bool {
	var hole *gateway.Incomplete
	return errors.As(err, &hole) && slices.Equal(hole.Unreachable, nodes)
}

func push(ctx context.Context, n *Node) error {
	_, err := n.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("x")})
	return err
}

// listen has a node's log lines in memory.
func listen(p *proc) *bytes.Buffer {
	var b bytes.Buffer
	p.node.log = slog.New(slog.NewTextHandler(&b, nil))
	return &b
}

// A message of another version is named once and nothing else, and answers are
// incomplete as long as its sender is there.
func TestOtherVersion(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	said := listen(w.procs[0])
	later := message.Member{Node: 9, Instance: 99}
	body := message.Begin(nil, message.Envelope{Version: message.Version + 1, Kind: message.KindHeartbeat, From: later})
	m := w.procs[0].node.seals.Seal(append(body, "something new"...))
	for range 3 {
		w.procs[0].node.receive(m)
	}
	w.do(w.procs[0], func(ctx context.Context) {
		if err := push(ctx, w.procs[0].node); !lacksNodes(err, 9) {
			t.Error(err)
		}
	})
	if n := strings.Count(said.String(), "speaks another version"); n != 1 || !strings.Contains(said.String(), "node=9 its_version=2") {
		t.Errorf("said %d times: %s", n, said)
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	w.do(w.procs[0], func(ctx context.Context) {
		if err := push(ctx, w.procs[0].node); err != nil {
			t.Error("after it is gone:", err)
		}
	})
}

// Messages that are sealed with another secret, or with that of another cluster, are
// refused, with one line, and do no harm.
func TestWrongSecret(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	said := listen(w.procs[0])
	for _, other := range []struct{ secret, name string }{{"another secret of 20 bytes", "test"}, {"a secret of 16 bytes and more", "another"}} {
		k, err := DeriveKeys(other.secret, other.name)
		if err != nil {
			t.Fatal(err)
		}
		h := message.Heartbeat{View: message.View{Chain: 1, Epoch: 1 << 40, Members: []message.Member{{Node: 9, Instance: 99}}}}
		m := h.Append(message.Begin(nil, message.Envelope{Version: message.Version, Kind: message.KindHeartbeat, From: message.Member{Node: 9, Instance: 99}}))
		w.procs[0].node.receive(message.NewSeals([][]byte{k.seal}).Seal(m))
	}
	w.do(w.procs[0], func(ctx context.Context) {
		if err := push(ctx, w.procs[0].node); err != nil {
			t.Error(err)
		}
	})
	if n := strings.Count(said.String(), "not sealed with the cluster's secret"); n != 1 {
		t.Errorf("said %d times: %s", n, said)
	}
	if got := w.procs[0].node.count.refused["seal"]; got != 2 {
		t.Errorf("%d counted", got)
	}
}

// Nodes that are changing their secret, one after the other, understand each other
// and each other's client ids.
func TestRotation(t *testing.T) {
	old, err := DeriveKeys("the old secret of the cluster", "test")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1, 1)
	w.settle(20 * time.Second)
	steps := [][]Keys{{w.keys, old}, {old, w.keys}}
	for _, keys := range steps {
		w.startWith(keys)
	}
	w.procs[0].node.seals = message.NewSeals([][]byte{w.keys.seal, old.seal}) // restarted before, as it were
	w.procs[0].node.ids = append(w.procs[0].node.ids, w.procs[2].node.ids[0])
	w.settle(30 * time.Second)
	for _, p := range w.procs {
		id := p.local.connect()
		for _, entry := range w.procs {
			w.do(entry, func(ctx context.Context) {
				if _, err := entry.node.Bind(ctx, gateway.Bind{ClientID: id, UID: "u"}); err != nil {
					t.Errorf("a client of node %d through node %d: %v", p.number, entry.number, err)
				}
			})
		}
	}
}

// A second process with a number that is in use stays outside, says so once and harms
// nobody.
func TestDuplicate(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	first := w.procs[1]
	told := make(chan string, 2)
	second := w.start(1)
	second.node.config.Duplicate = func(other string) { told <- other }
	w.sim.Run(time.Duration(w.sim.Now()) + 5*w.lease)
	if other := <-told; !strings.HasPrefix(other, first.node.self.String()) {
		t.Errorf("told of %s, not of %v", other, first.node.self)
	}
	if second.node.Joined() || !first.node.Joined() || len(told) > 0 {
		t.Errorf("the second has joined: %v", second.node.Joined())
	}
	w.do(w.procs[0], func(ctx context.Context) {
		if err := push(ctx, w.procs[0].node); err != nil {
			t.Error(err)
		}
	})
}

// A node that ends tells the others, and nobody waits for its lease, not even where
// it is the lowest of two.
func TestGoodbye(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	w.procs[0].node.Drain()
	w.do(w.procs[1], func(ctx context.Context) {
		if err := push(ctx, w.procs[1].node); err != nil {
			t.Error("while the other drains:", err)
		}
	})
	w.procs[0].node.goodbye()
	w.sim.Run(time.Duration(w.sim.Now()) + 300*time.Millisecond)
	w.crash(0)
	w.do(w.procs[1], func(ctx context.Context) {
		if err := push(ctx, w.procs[1].node); err != nil {
			t.Error("after it has gone:", err)
		}
	})
}

// While a member is stopped, binds that bring new names wait until its lease is over,
// once and not each; those that bring none do not wait.
func TestBindsWhilePeerIsStopped(t *testing.T) {
	w, ids := ready(t, 1, 3, 2)
	entry := w.procs[0]
	bind := func(ctx context.Context, id, uid string) {
		if _, err := entry.node.Bind(ctx, gateway.Bind{ClientID: id, UID: uid}); err != nil && !lacksNodes(err, 3) {
			t.Error(err)
		}
	}
	w.do(entry, func(ctx context.Context) { bind(ctx, ids[0][1], "known") })
	w.procs[2].host.Pause()
	began, binds := w.sim.Now(), 0
	over := began + int64(w.lease+w.lease/16) + int64(20*time.Millisecond)
	for i := range 600 {
		w.sim.After(time.Duration(i)*10*time.Millisecond, func() {
			w.sim.Go(entry.host, func() {
				at := w.sim.Now()
				bind(context.Background(), ids[i%2][0], fmt.Sprint("u", i))
				if late := w.sim.Now() - max(at, over); late > int64(20*time.Millisecond) {
					t.Errorf("a bind at %v took until %v", time.Duration(at-began), time.Duration(w.sim.Now()-began))
				}
				at, binds = w.sim.Now(), binds+1
				bind(context.Background(), ids[0][1], "known")
				if took := time.Duration(w.sim.Now() - at); took > 0 && at < over {
					t.Errorf("a bind without a new name took %v", took)
				}
			})
		})
	}
	w.sim.Run(time.Duration(began) + 3*w.lease)
	if binds != 600 {
		t.Errorf("%d binds have ended", binds)
	}
	// The one that was stopped for longer than its lease wakes, and does not believe.
	w.procs[2].host.Resume()
	w.do(w.procs[2], func(ctx context.Context) {
		if err := w.procs[2].node.standing(ctx, 0); err == nil {
			t.Error("a node that was voted out answers completely")
		}
	})
	w.settle(20 * time.Second)
}

// In a partition both sides serve their own clients; the smaller one knows that its
// answers are incomplete, and both are whole again by themselves.
func TestPartition(t *testing.T) {
	w, ids := ready(t, 1, 3, 1)
	for _, other := range w.procs[:2] {
		w.net.Cut(w.procs[2].host, other.host, true)
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	w.do(w.procs[2], func(ctx context.Context) {
		r, err := w.procs[2].node.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte("small side")})
		if r.Matched != 1 || !lacksNodes(err, 1, 2) {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := w.procs[2].node.Bind(ctx, gateway.Bind{ClientID: ids[2][0], UID: "x", KickOld: true}); !lacksNodes(err, 1, 2) {
			t.Error(err)
		}
	})
	// Later by more than a message takes, though by a clock that is minutes behind.
	w.sim.Run(time.Duration(w.sim.Now()) + 100*time.Millisecond)
	w.do(w.procs[0], func(ctx context.Context) {
		r, err := w.procs[0].node.Bind(ctx, gateway.Bind{ClientID: ids[0][0], UID: "x", KickOld: true})
		if err != nil || r.Kicked != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	for _, other := range w.procs[:2] {
		w.net.Cut(w.procs[2].host, other.host, false)
	}
	w.settle(20 * time.Second)
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	if len(w.history.closes) != 1 || w.history.closes[0].client != ids[2][0] {
		t.Errorf("after the heal these were closed: %+v; want the older one", w.history.closes)
	}
}

// A node that has been voted out, or has just started, does not say that a client is
// unknown: it does not know all nodes.
func TestUnknownOutside(t *testing.T) {
	w, ids := ready(t, 1, 3, 1)
	asks := func(p *proc, until func() bool) {
		incomplete := 0
		for !until() {
			w.do(p, func(ctx context.Context) {
				_, err := p.node.Bind(ctx, gateway.Bind{ClientID: ids[2][0], UID: "u"})
				var hole *gateway.Incomplete
				if err != nil && !errors.As(err, &hole) {
					t.Fatalf("node %d at %v: %v", p.number, time.Duration(w.sim.Now()), err)
				}
				if _, client := p.node.Client(ctx, ids[2][0]); isUnknown(client) {
					t.Fatalf("node %d at %v: %v", p.number, time.Duration(w.sim.Now()), client)
				}
				if err != nil {
					incomplete++
				}
			})
			w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
		}
		if incomplete == 0 {
			t.Errorf("all answers of node %d were complete", p.number)
		}
	}
	w.procs[0].host.Pause()
	w.sim.Run(time.Duration(w.sim.Now()) + 2*w.lease)
	w.procs[0].host.Resume()
	asks(w.procs[0], w.whole)
	w.crash(1)
	asks(w.start(1), w.whole)
	w.do(w.procs[0], func(ctx context.Context) {
		if _, err := w.procs[0].node.Bind(ctx, gateway.Bind{ClientID: ids[1][0], UID: "u"}); !isUnknown(err) {
			t.Errorf("a client of a process that has ended: %v", err)
		}
	})
}

// Without NATS each node serves its own clients, and says that it lacks the others.
func TestLinkDown(t *testing.T) {
	w, ids := ready(t, 1, 2, 1)
	for _, p := range w.procs {
		p.host.SetUp(false)
	}
	w.sim.Run(time.Duration(w.sim.Now()) + 100*time.Millisecond)
	w.do(w.procs[0], func(ctx context.Context) {
		r, err := w.procs[0].node.Push(ctx, gateway.Push{To: gateway.Targets{ClientIDs: []string{ids[0][0], ids[1][0]}}, Payload: []byte("x")})
		if r.Matched != 1 || !lacksNodes(err, 2) {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := w.procs[0].node.Client(ctx, ids[1][0]); !errors.Is(err, &gateway.Error{Code: gateway.CodeUnreachable}) {
			t.Error(err)
		}
	})
	for _, p := range w.procs {
		p.host.SetUp(true)
	}
	w.settle(20 * time.Second)
}

// A push that is larger than what nodes can send each other reaches nobody.
func TestTooLarge(t *testing.T) {
	w, _ := ready(t, 1, 2, 1)
	w.do(w.procs[0], func(ctx context.Context) {
		_, err := w.procs[0].node.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: make([]byte, w.procs[0].host.Limit())})
		if !errors.Is(err, &gateway.Error{Code: gateway.CodeTooLarge}) {
			t.Error(err)
		}
	})
	if len(w.history.deliveries) != 0 {
		t.Error("it reached somebody")
	}
}
