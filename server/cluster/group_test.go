package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// together has a process carry out verbs in one group, begun one after the other.
func (w *world) together(p *proc, verbs ...func(ctx context.Context)) {
	w.t.Helper()
	g, done := p.node.Group(), 0
	for _, verb := range verbs {
		w.sim.Go(p.host, func() {
			verb(g.Context(context.Background(), func() {}))
			done++
		})
	}
	w.sim.After(time.Millisecond, g.Send)
	w.sim.Run(time.Duration(w.sim.Now()) + 500*time.Millisecond)
	if done != len(verbs) {
		w.t.Fatalf("%d of %d verbs have ended", done, len(verbs))
	}
}

// Verbs of a group go to each node in one message, and pushes stay in their order.
func TestGroup(t *testing.T) {
	w, ids := ready(t, 5, 3, 10)
	p := w.procs[0]
	requests := []message.Kind{message.KindRequest, message.KindRequests}
	before := w.sent(requests...)
	var binds []func(context.Context)
	for _, list := range ids {
		for i, id := range list {
			binds = append(binds, func(ctx context.Context) {
				if _, err := p.node.Bind(ctx, gateway.Bind{ClientID: id, UID: fmt.Sprint("u", i)}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	w.together(p, binds...)
	if n := w.sent(requests...) - before; n != 2 {
		t.Errorf("%d messages for 30 binds at 3 nodes", n)
	}
	var pushes []func(context.Context)
	for i := range 100 {
		pushes = append(pushes, func(ctx context.Context) {
			to := gateway.Targets{UIDs: []string{fmt.Sprint("u", i%10)}}
			if r, err := p.node.Push(ctx, gateway.Push{To: to, Payload: fmt.Appendf(nil, "0-%d", i)}); err != nil || r.Matched != 3 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	before = w.sent(requests...)
	w.together(p, pushes...)
	if n := w.sent(requests...) - before; n != 2 {
		t.Errorf("%d messages for 100 pushes to 2 others", n)
	}
	for _, list := range ids {
		for i, id := range list {
			var want []string
			for j := i; j < 100; j += 10 {
				want = append(want, fmt.Sprintf("0-%d", j))
			}
			if got := w.history.sequence[id]; !slices.Equal(got, want) {
				t.Errorf("%s got %s", id[:6], strings.Join(got, " "))
			}
		}
	}
}

// A group that cannot be sent fails at once, and what is too much for one message goes
// in several.
func TestGroupLimits(t *testing.T) {
	w, ids := ready(t, 5, 2, 1)
	p := w.procs[0]
	var pushes []func(context.Context)
	for range 20 {
		pushes = append(pushes, func(ctx context.Context) {
			to := gateway.Targets{ClientIDs: ids[1]}
			if r, err := p.node.Push(ctx, gateway.Push{To: to, Payload: make([]byte, parcelBytes/4)}); err != nil || r.Matched != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	before := w.sent(message.KindRequests)
	w.together(p, pushes...)
	if n := w.sent(message.KindRequests) - before; n < 4 || n > 10 {
		t.Errorf("%d messages", n)
	}
	g := p.node.Group()
	w.sim.Go(p.host, func() {
		_, err := p.node.Push(g.Context(context.Background(), func() {}), gateway.Push{To: gateway.Targets{ClientIDs: ids[1]}})
		if !lacksNodes(err, 2) {
			t.Error(err)
		}
	})
	w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
	p.host.SetUp(false)
	g.Send()
	if len(p.node.calls) != 0 {
		t.Error("a push waits that was not sent")
	}
}
