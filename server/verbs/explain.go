package verbs

import (
	"context"
	"time"

	"castgate/server/gateway"
	"castgate/server/history"
	"castgate/server/internal/table"
)

// noted counts a push by how it ended, tells those who watch of one that was taken, and
// remembers whom it meant if that was nobody. In a cluster others may have had them:
// its node calls Miss.
func (v *Verbs) noted(to *gateway.Targets, m *gateway.Message, matched int, err error) {
	v.pushes.note(matched, err)
	if err != nil {
		return
	}
	h := v.loops.Registry.History
	if matched == 0 && !v.config.Shared {
		h.Miss(to)
	}
	h.TellPush(to, matched, len(m.Payload), m.Binary)
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
