package verbs

import (
	"context"
	"time"

	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/table"
)

// noted counts a push by how it ended. What it matched is said at once by a gateway that
// is alone; in a cluster, its node calls Pushed once all nodes have answered.
func (v *Verbs) noted(p *gateway.Push, matched int, err error) {
	switch {
	case v.peer: // counted where it was taken; here, its receivers may be watched
		if err == nil && matched > 0 {
			v.loops.Registry.History.TellPush(&p.To, matched, len(p.Payload), p.Binary)
		}
		return
	case err == nil && !v.config.Shared:
		v.Pushed(p, matched, true)
	}
	v.pushes.note(err)
}

// Pushed implements gateway.Historian.
func (v *Verbs) Pushed(p *gateway.Push, matched int, complete bool) {
	h := v.loops.Registry.History
	if matched == 0 && complete {
		v.pushes.unmatched.Add(1)
		h.Miss(&p.To)
	}
	h.TellPush(&p.To, matched, len(p.Payload), p.Binary)
}

// Explain implements gateway.Historian.
func (v *Verbs) Explain(ctx context.Context, q gateway.Explain) (gateway.Explanation, error) {
	out := gateway.Explanation{Node: v.config.Node}
	who := history.Who{UID: q.UID, ID: q.ClientID}
	switch {
	case (q.UID == "") == (q.ClientID == ""):
		return out, &gateway.Error{Code: gateway.CodeInvalidName, Detail: "name either a uid or a client id"}
	case q.UID != "":
		if err := v.names.Check("uid", q.UID); err != nil {
			return out, err
		}
		for h := range v.loops.Registry.UIDs.Snapshot(q.UID).All() {
			if info, ok := v.info(h); ok {
				out.Connected = append(out.Connected, info.ClientID)
			}
			if len(out.Connected) == gateway.MaxExplained {
				break
			}
		}
	default:
		h := v.loops.IDs.Parse(q.ClientID)
		if who.Key = uint64(h); v.loops.Registry.Online(h) {
			out.Connected = []string{q.ClientID}
		}
	}
	h := v.loops.Registry.History
	out.Since = h.Ask(who, func(e *history.End) {
		end := e.Past(v.loops.IDs.Of(table.Handle(e.Key), e.Connection))
		end.Node = out.Node
		out.Ends = append(out.Ends, end)
	}, func(d *history.Drop) {
		out.Drops = append(out.Drops, gateway.PastDrop{
			Node: out.Node, First: time.UnixMilli(d.First), Last: time.UnixMilli(d.Last), ClientID: v.loops.IDs.Of(table.Handle(d.Key), d.Connection), UID: d.UID,
			Reason: d.Reason, Count: d.Count, QueuedBytes: int(d.QueuedBytes), QueuedFrames: int(d.QueuedFrames),
		})
	})
	out.Misses = h.Missed(who)
	out.Arrange()
	return out, ctx.Err()
}

// Tail implements gateway.Historian.
func (v *Verbs) Tail(f gateway.TailFilter) (gateway.Tail, error) {
	return v.loops.Registry.History.Tail(f)
}
