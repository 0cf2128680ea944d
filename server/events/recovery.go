package events

import (
	"cmp"
	"slices"

	"castgate/server/events/internal/store"
)

// reasonGatewayLost is why clients have ended whose process ended without saying
// so.
const reasonGatewayLost = "gateway_lost"

// sayLeft writes the end of clients that processes before have left, and takes
// over the uids that they have told online. It comes before run.
func (j *journal) sayLeft(left *remains, gaps []store.Gap) error {
	now := j.events.now()
	for _, g := range gaps {
		j.events.count.damaged.Add(g.Count)
		j.lost(g.Count, "damaged", now)
	}
	if j.present != nil {
		for uid, said := range left.uids {
			j.present.remember(uid, said, j.events.steady())
		}
	}
	if j.events.hidden {
		if err := j.sayGone(left, now.UnixMicro()); err != nil {
			return err
		}
	}
	if err := j.append(); err != nil || j.events.config.Dir == "" {
		return err
	}
	// Where nothing was to be said, this shows whether the disk takes anything. Clients need
	// not wait for that.
	j.writePlaces(now)
	if err := j.append(); err != nil {
		j.stick(err)
		j.events.count.unwritten.Store(0)
		j.places, j.moved = nil, true // tried again soon
	}
	return nil
}

// sayGone writes disconnected events for clients of processes before.
func (j *journal) sayGone(left *remains, at int64) error {
	gone := make([]remnant, 0, len(left.clients))
	for who := range left.clients {
		gone = append(gone, who)
	}
	slices.SortFunc(gone, func(a, b remnant) int { return cmp.Compare(left.clients[a].number, left.clients[b].number) })
	for _, who := range gone {
		st := left.clients[who]
		j.end(who, st, j.standing(st.number), at, reasonGatewayLost)
		if len(j.arena) > batchLen {
			if err := j.append(); err != nil {
				return err
			}
		}
	}
	if n := len(gone); n > 0 {
		j.events.log.Warn("the previous gateway ended without closing its clients; they are reported as disconnected", "clients", n, "reason", reasonGatewayLost)
	}
	return nil
}
