package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"castgate/server/gateway"
)

// A cluster forms, and a push through any node reaches the clients of all.
func TestPushReachesAllNodes(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.settle(10 * time.Second)
	ids := []string{}
	for _, p := range w.procs {
		ids = append(ids, p.local.connect())
	}
	for i, p := range w.procs {
		w.do(p, func(ctx context.Context) {
			_, err := p.node.Bind(ctx, gateway.Bind{ClientID: ids[(i+1)%3], UID: "u"})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, p := range w.procs {
		w.do(p, func(ctx context.Context) {
			r, err := p.node.Push(ctx, gateway.Push{To: gateway.Targets{UIDs: []string{"u"}}, Payload: []byte("hello"), Wait: true})
			if err != nil || r.Matched != 3 || r.Written != 3 {
				t.Errorf("node %d: %+v, %v", p.number, r, err)
			}
		})
	}
}

// A node that is killed is out of every answer after the lease; until then answers
// are incomplete and name it.
func TestKilledNodeIsOut(t *testing.T) {
	w := newWorld(t, 2, 3)
	w.settle(10 * time.Second)
	id := w.procs[2].local.connect()
	w.do(w.procs[0], func(ctx context.Context) {
		if _, err := w.procs[0].node.Bind(ctx, gateway.Bind{ClientID: id, UID: "u"}); err != nil {
			t.Fatal(err)
		}
	})
	w.crash(2)
	began := w.sim.Now()
	incomplete, done := 0, false
	for !done {
		w.do(w.procs[0], func(ctx context.Context) {
			_, err := w.procs[0].node.Counts(ctx, gateway.Counts{UIDs: []string{"u"}})
			var hole *gateway.Incomplete
			switch {
			case err == nil:
				done = true
			case !errors.As(err, &hole) || len(hole.Unreachable) != 1 || hole.Unreachable[0] != 3:
				t.Fatal(err)
			default:
				incomplete++
			}
		})
	}
	if took := time.Duration(w.sim.Now() - began); took > w.lease*3/2 || incomplete == 0 {
		t.Errorf("out after %v and %d incomplete answers", took, incomplete)
	}
}
