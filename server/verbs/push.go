package verbs

import (
	"context"
	"unicode/utf8"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/loop"
)

var (
	errStopping = &gateway.Error{Code: gateway.CodeStopping, Detail: "the gateway is shutting down"}
)

// snapshotLeast is the size from which the members of one uid or group are not
// listed for the loops but walked there.
const snapshotLeast = 64

// Push implements Gateway.
func (v *Verbs) Push(ctx context.Context, p gateway.Push) (gateway.PushResult, error) {
	if v.stopped.Load() {
		return gateway.PushResult{}, errStopping
	}
	if err := v.names.checkTargets(&p.To); err != nil {
		return gateway.PushResult{}, err
	}
	began := v.loops.Elapsed()
	m := gateway.Message{Payload: p.Payload, Binary: p.Binary}
	if err := checkMessage(&m); err != nil {
		return gateway.PushResult{}, err
	}
	if err := v.names.CheckAll("uid", p.ExcludeUIDs); err != nil {
		return gateway.PushResult{}, err
	}
	var wait *frames.Wait
	if p.Wait {
		wait = frames.NewWait()
	}
	matched, err := v.fanOut(ctx, &p, loop.Delivery{Message: m, Wait: wait, Began: began})
	v.noted(&p, matched, err)
	if err != nil {
		return gateway.PushResult{}, err
	}
	if wait == nil {
		return gateway.PushResult{Matched: matched, Queued: matched}, nil
	}
	wait.Matched(matched)
	if p.OnMatched != nil {
		p.OnMatched(matched)
	}
	select {
	case <-wait.Ended():
	case <-ctx.Done():
	case <-v.loops.WhenEnded():
	}
	written, dropped := wait.Counts()
	r := gateway.PushResult{Matched: matched, Written: written, Dropped: dropped}
	r.Queued = matched - written - dropped
	return r, nil
}

// Send implements GatewayWorker.
func (v *Verbs) Send(ctx context.Context, to gateway.Targets, m gateway.Message) error {
	if v.stopped.Load() {
		return errStopping
	}
	if err := v.names.checkTargets(&to); err != nil {
		return err
	}
	if err := checkMessage(&m); err != nil {
		return err
	}
	matched, err := v.sendTo(ctx, &to, nil, loop.Delivery{Message: m, Later: true})
	p := gateway.Push{To: to, Payload: m.Payload, Binary: m.Binary}
	// PHP asks the other gateways itself about uids and groups: what this one lacks says
	// nothing.
	if whole := !to.All && len(to.UIDs)+len(to.Groups) == 0; err == nil && v.config.Shared && (whole || matched > 0) {
		v.Pushed(&p, matched, whole)
	}
	v.noted(&p, matched, err)
	return err
}

func checkMessage(m *gateway.Message) error {
	if !m.Binary && !m.Raw && !utf8.Valid(m.Payload) {
		return &gateway.Error{Code: gateway.CodeInvalidUTF8, Detail: "a text message is not UTF-8"}
	}
	return nil
}

// fanOut posts the push to the loops of its targets, to all of them or, with
// an error, to none.
func (v *Verbs) fanOut(ctx context.Context, p *gateway.Push, d loop.Delivery) (matched int, err error) {
	var exclude []table.Handle
	if len(p.ExcludeClientIDs)+len(p.ExcludeUIDs) > 0 {
		if exclude, err = v.handles(ctx, p.ExcludeClientIDs, p.ExcludeUIDs, nil); err != nil {
			return 0, err
		}
	}
	return v.sendTo(ctx, &p.To, exclude, d)
}

func (v *Verbs) sendTo(ctx context.Context, to *gateway.Targets, exclude []table.Handle, d loop.Delivery) (matched int, err error) {
	if to.All {
		return v.loops.PushAll(d, exclude)
	}
	if members, ok := singleName(v, to); ok {
		if members.Len() >= snapshotLeast {
			return v.loops.PushMembers(d, members, exclude)
		}
		if members.Len() == 0 {
			return 0, nil
		}
	}
	list, err := v.handles(ctx, to.ClientIDs, to.UIDs, to.Groups)
	if err != nil {
		return 0, err
	}
	return v.loops.PushList(d, table.Without(list, exclude))
}

// singleName returns the members if t is nothing but one uid or one group.
func singleName(v *Verbs, t *gateway.Targets) (table.Snapshot, bool) {
	switch {
	case len(t.ClientIDs) > 0 || len(t.UIDs)+len(t.Groups) != 1:
		return table.Snapshot{}, false
	case len(t.UIDs) == 1:
		return v.loops.Registry.UIDs.Snapshot(t.UIDs[0]), true
	default:
		return v.loops.Registry.Groups.Snapshot(t.Groups[0]), true
	}
}
