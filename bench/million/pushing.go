package million

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/payload"
)

// pushToGroups pushes once to every group.
func (p *play) pushToGroups(ctx context.Context) error {
	all := make([]int, p.Groups)
	for g := range all {
		all[g] = g
	}
	return p.push(ctx, "to every group", p.Groups, p.Connections, Expectation{Groups: all}, func(g int) (control.PushResult, error) {
		return p.gateway.Control.PushGroup(ctx, control.GroupName(g), p.payload(streamGroup, uint32(g)))
	})
}

// pushToUIDs pushes once to each of some uids, drawn at random.
func (p *play) pushToUIDs(ctx context.Context) error {
	drawn := rand.Perm(p.Connections)[:p.UIDs]
	return p.push(ctx, "to random uids", p.UIDs, p.UIDs, Expectation{UIDs: drawn}, func(k int) (control.PushResult, error) {
		i := drawn[k]
		return p.gateway.Control.PushUID(ctx, control.UID(i), p.payload(streamUID, uint32(i)))
	})
}

// pushToAll pushes once to everybody.
func (p *play) pushToAll(ctx context.Context) error {
	return p.push(ctx, "to everybody", 1, p.Connections, Expectation{Broadcasts: 1}, func(int) (control.PushResult, error) {
		return p.gateway.Control.Broadcast(ctx, p.payload(streamAll, payload.Everyone))
	})
}

// payload is the first message of a stream to a target; each target gets one.
func (p *play) payload(stream uint8, target uint32) []byte {
	return payload.Append(nil, payload.Stamp{
		Run: p.run, Kind: streams[stream], Stream: stream, Target: target, Sent: clock.Now(), Size: p.Size,
	})
}

// push makes n pushes that must reach receivers altogether, and waits until
// they have.
func (p *play) push(ctx context.Context, name string, n, receivers int, e Expectation, push func(k int) (control.PushResult, error)) error {
	before, err := p.herd.report()
	if err != nil {
		return err
	}
	begun := time.Now()
	matched, err := p.pushes(ctx, n, push)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := p.herd.expect(e); err != nil {
		return err
	}
	waited := p.herd.call("Await", p.Patience)
	after, err := p.herd.report()
	if err != nil {
		return err
	}
	d := Delivery{Name: name, Pushes: n, Matched: matched, Received: int(after.Received - before.Received), Took: time.Since(begun)}
	p.result.Deliveries = append(p.result.Deliveries, d)
	p.log("%s: %d pushes, %d receivers reported, %d correct messages received", name, d.Pushes, d.Matched, d.Received)
	switch {
	case after.Fault != "":
		return fmt.Errorf("%s: %s", name, after.Fault)
	case waited != nil:
		return fmt.Errorf("%s: %w", name, waited)
	case matched != receivers || d.Received != receivers || after.Open != p.Connections:
		return fmt.Errorf("%s: %d receivers reported, %d messages received, %d connections open; not %d, %d, %d",
			name, matched, d.Received, after.Open, receivers, receivers, p.Connections)
	}
	return nil
}

// account compares castgate's counters with what the swarms have seen.
func (p *play) account(ctx context.Context) error {
	var matched, written float64
	for name, into := range map[string]*float64{
		"castgate_deliveries_matched_total":            &matched,
		`castgate_deliveries_total{outcome="written"}`: &written,
	} {
		v, err := p.gateway.Control.Metric(ctx, name)
		if err != nil {
			return err
		}
		*into = v
	}
	total := 0
	for _, d := range p.result.Deliveries {
		total += d.Received
	}
	if int(matched) != total || int(written) != total {
		return fmt.Errorf("castgate counts %.0f deliveries matched and %.0f written, the swarms %d", matched, written, total)
	}
	p.log("castgate's counters agree: %d matched, %d written", int(matched), int(written))
	_, err := p.weigh(ctx, "after the pushes", p.Idle)
	return err
}

// cutPoll is how often to check whether all connections are gone.
const cutPoll = 100 * time.Millisecond

// cut resets all connections at once and waits until castgate holds none.
func (p *play) cut(ctx context.Context) error {
	begun := time.Now()
	if err := p.herd.call("Cut", None{}); err != nil {
		return err
	}
	for {
		n, err := p.gateway.Control.Metric(ctx, "castgate_sockets")
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if time.Since(begun) > p.Patience {
			return fmt.Errorf("castgate still holds %.0f sockets %v after the cut", n, p.Patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(cutPoll):
		}
	}
	p.result.Cutting = time.Since(begun)
	p.log("all cut; castgate noticed after %v", p.result.Cutting.Round(time.Millisecond))
	if _, err := p.weigh(ctx, "cut, at once", 0); err != nil {
		return err
	}
	w, err := p.weigh(ctx, "cut, after idling", p.Idle)
	if err == nil && (w.Connections != 0 || w.UIDs != 0 || w.Groups != 0) {
		err = fmt.Errorf("castgate still reports %d connections, %d uids, %d groups", w.Connections, w.UIDs, w.Groups)
	}
	return err
}
