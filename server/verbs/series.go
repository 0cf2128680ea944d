package verbs

import (
	"context"
	"slices"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/loop"
)

// series implements Series.
type series struct {
	verbs   *Verbs
	message gateway.Message
	exclude []table.Handle
	set     frames.Set
	frame   *frames.Frame // once something has been sent
	counted bool          // as a push
}

// BeginSeries implements GatewayWorker.
func (v *Verbs) BeginSeries(ctx context.Context, m gateway.Message, excludeClientIDs []string) (gateway.Series, error) {
	if err := checkMessage(&m); err != nil {
		return nil, err
	}
	exclude, err := v.handles(ctx, excludeClientIDs, nil, nil)
	if err != nil {
		return nil, err
	}
	return &series{verbs: v, message: m, exclude: exclude, set: v.loops.Forms(len(m.Payload), nil)}, nil
}

// Send implements Series.
func (r *series) Send(ctx context.Context, to gateway.Targets) error {
	v := r.verbs
	if v.stopped.Load() {
		return errStopping
	}
	if err := v.names.checkTargets(&to); err != nil {
		return err
	}
	err := r.send(&to)
	if err == loop.ErrBusy || !r.counted { // a series counts once
		r.counted = r.counted || err == nil
		v.pushes.note(err)
	}
	return err
}

// send posts one push of the series, in whole or, if it fails, not at all.
func (r *series) send(to *gateway.Targets) error {
	v := r.verbs
	if to.All {
		_, err := v.loops.PushAll(loop.Delivery{Message: r.message}, r.exclude)
		return err
	}
	var list []table.Handle
	for _, id := range to.ClientIDs {
		if h := v.loops.IDs.Parse(id); v.loops.Registry.Online(h) {
			list = append(list, h)
		}
	}
	list, many := collect(v.loops.Registry.UIDs, to.UIDs, list, nil)
	list, many = collect(v.loops.Registry.Groups, to.Groups, list, many)
	list = table.Without(list, r.exclude)
	slices.Sort(list) // by loop
	if len(list)+len(many) == 0 {
		return nil
	}
	var err error
	r.frame, err = v.loops.PushSeries(loop.Delivery{Message: r.message}, r.frame, r.set, list, many, r.exclude)
	return err
}

// collect appends the members of names to list, or their snapshots to many
// where there are enough of them to be walked by the loops.
func collect(t *table.Table, names []string, list []table.Handle, many []table.Snapshot) ([]table.Handle, []table.Snapshot) {
	for _, name := range names {
		members := t.Snapshot(name)
		if members.Len() >= snapshotLeast {
			many = append(many, members)
			continue
		}
		for h := range members.All() {
			list = append(list, h)
		}
	}
	return list, many
}
