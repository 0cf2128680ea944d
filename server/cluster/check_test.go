package cluster

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"castgate/server/cluster/internal/message"
)

// state is what a client is by the contract: it lives in one place, so its history
// is one of a single object.
type state struct {
	life   uint8 // 0 not there yet, 1 there, 2 gone
	uid    string
	groups string // sorted, each followed by a comma
}

// touch is what one op has to do with one client.
type touch struct {
	op *op // nil: the client comes or goes by itself
	// of an op
	self      bool // it names the client by its id
	delivered bool
	certain   bool // the op is complete, and had to reach the client
	// without
	comes bool
	code  uint16
}

func (s state) matches(o *op, self bool) bool {
	switch o.kind {
	case opPushUID, opKickUID:
		return s.life == 1 && s.uid == o.name
	case opPushGroup:
		return s.life == 1 && strings.Contains(s.groups, o.name+",")
	case opPushAll:
		return s.life == 1
	}
	return s.life == 1 && self
}

// step is what may become of a client.
func step(s state, t touch) []state {
	if t.op == nil {
		if t.comes {
			return []state{{life: 1}}
		}
		return []state{{life: 2, uid: s.uid, groups: s.groups}}
	}
	o := t.op
	switch o.kind {
	case opPushUID, opPushGroup, opPushAll, opPushID:
		if t.delivered == s.matches(o, t.self) || !t.delivered && !t.certain {
			return []state{s}
		}
		return nil
	case opKickUID, opKickID:
		return either(s, s.matches(o, t.self), t.certain, state{life: 2})
	case opBindExclusively:
		if !t.self { // it closes whoever else has the uid
			return either(s, s.life == 1 && s.uid == o.name && !o.unknown, t.certain && !o.lost, state{life: 2})
		}
	}
	return stepSelf(s, t)
}

// stepSelf is step for ops that name the client.
func stepSelf(s state, t touch) []state {
	o := t.op
	if o.kind == opOnline {
		if t.certain && o.online != (s.life == 1) {
			return nil
		}
		return []state{s}
	}
	if o.unknown {
		if t.certain && s.life == 1 {
			return nil
		}
		return []state{s}
	}
	next := s
	switch o.kind {
	case opBind, opBindExclusively:
		next.uid = o.name
	case opUnbind:
		next.uid = ""
	case opJoin:
		if !strings.Contains(s.groups, o.name+",") {
			list := append(strings.FieldsFunc(s.groups, func(r rune) bool { return r == ',' }), o.name)
			slices.Sort(list)
			next.groups = strings.Join(list, ",") + ","
		}
	case opLeave:
		next.groups = strings.Replace(s.groups, o.name+",", "", 1)
	}
	named := o.kind == opBind || o.kind == opBindExclusively || o.kind == opUnbind
	if t.certain && named && s.life == 1 && o.previous != s.uid {
		return nil
	}
	if t.certain && named && s.life != 1 {
		return nil // there was nobody to bind
	}
	return either(s, s.life == 1, t.certain, next)
}

// either is the next state if an op applies to a client, and both if nobody knows.
func either(s state, applies, certain bool, next state) []state {
	switch {
	case !applies:
		return []state{s}
	case certain:
		return []state{next}
	}
	return []state{s, next}
}

var model = porcupine.NondeterministicModel{
	Init:  func() []interface{} { return []interface{}{state{}} },
	Equal: func(a, b interface{}) bool { return a == b },
	Step: func(s, in, _ interface{}) []interface{} {
		var out []interface{}
		for _, next := range step(s.(state), in.(touch)) {
			out = append(out, next)
		}
		return out
	},
	DescribeOperation: func(in, _ interface{}) string { return describe(in.(touch)) },
}

func describe(t touch) string {
	if t.op == nil {
		return fmt.Sprintf("comes=%v code=%d", t.comes, t.code)
	}
	o := t.op
	return fmt.Sprintf("kind=%d %s self=%v delivered=%v certain=%v unknown=%v lost=%v prev=%q via=%d home=%d", o.kind, o.name, t.self, t.delivered, t.certain, o.unknown, o.lost, o.previous, o.entry.number, o.home.number)
}

// check holds the history against the contract, and returns what is wrong.
func (w *world) check(m *mayhem) (faults []string) {
	h := &w.history
	faults = append(faults, w.checkDeliveries()...)
	faults = append(faults, w.checkViews()...)
	faults = append(faults, w.checkNewcomers()...)
	for _, o := range h.ops {
		o.lost = o.kind == opBindExclusively && slices.ContainsFunc(h.closes, func(c closing) bool {
			return c.client == o.client && c.at >= o.begin && (!o.done || c.at <= o.end)
		})
	}
	for _, c := range m.clients {
		history := w.touches(c)
		if result := porcupine.CheckOperationsTimeout(model.ToModel(), history, 20*time.Second); result == porcupine.Illegal {
			faults = append(faults, fmt.Sprintf("the history of client %s of node %d can't be", c.id[:6], c.home.number)+w.tell(history))
		}
	}
	return append(faults, w.checkExclusive()...)
}

// tell shows the end of the shortest part of a history that can't be.
func (w *world) tell(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for n := range history {
		if porcupine.CheckOperationsTimeout(model.ToModel(), history[:n+1], time.Second) == porcupine.Illegal {
			history = history[:n+1]
			break
		}
	}
	var b strings.Builder
	for _, o := range history[max(0, len(history)-40):] {
		if t := o.Input.(touch); t.op == nil || t.self || t.delivered || o.Call == history[len(history)-1].Call {
			fmt.Fprintf(&b, "\n  %9.4f-%9.4f %s", time.Duration(o.Call).Seconds(), time.Duration(o.Return).Seconds(), describe(t))
		}
	}
	return b.String()
}

// touches is the history of one client.
func (w *world) touches(c client) (list []porcupine.Operation) {
	h := &w.history
	add := func(begin, end int64, t touch) {
		list = append(list, porcupine.Operation{ClientId: len(list), Input: t, Call: begin, Return: end})
	}
	names, gone := h.names(c.id), int64(math.MaxInt64)
	for _, e := range h.connects {
		if e.client == c.id {
			add(e.at, e.at, touch{comes: true})
		}
	}
	for _, e := range h.closes {
		if e.client == c.id {
			add(e.at, e.at, touch{code: e.code})
			gone = e.at
		}
	}
	for _, o := range h.ops {
		t := touch{op: o, self: o.client == c.id}
		switch o.kind {
		case opPushUID, opPushGroup, opPushAll, opKickUID, opBindExclusively:
		default:
			if !t.self {
				continue
			}
		}
		t.delivered = slices.ContainsFunc(h.deliveries[o.payload], func(d delivery) bool { return d.client == c.id })
		end := o.end
		if !o.done {
			end = w.sim.Now()
		}
		if end < list[0].Call {
			continue // before it came
		}
		t.certain = o.done && (o.complete && !w.excused(o, c) || o.unknown && !w.excusedUnknown(o, c))
		if !t.moot(names, o.begin > gone) {
			add(o.begin, end, t)
		}
	}
	return list
}

// names are all that a client may ever have had as a uid or group.
func (h *history) names(client string) map[string]bool {
	all := map[string]bool{}
	for _, o := range h.ops {
		if o.client == client && (o.kind == opBind || o.kind == opBindExclusively || o.kind == opJoin) {
			all[o.name] = true
		}
	}
	return all
}

// moot tells whether an op says nothing of a client, whatever that is: each state that
// it may have may follow itself. Most are, and the search is much shorter without them.
func (t touch) moot(names map[string]bool, gone bool) bool {
	switch {
	case t.delivered:
		return false
	case t.self && t.op.kind == opOnline:
		return !t.certain
	}
	switch t.op.kind {
	case opBind, opUnbind, opJoin, opLeave:
		return t.op.unknown && !t.certain
	case opPushUID, opPushGroup:
		return !t.certain || gone || !names[t.op.name]
	case opPushAll, opPushID:
		return !t.certain || gone
	case opKickUID:
		return gone || !names[t.op.name]
	case opBindExclusively:
		return !t.self && (gone || !names[t.op.name]) || t.op.unknown && !t.certain
	}
	return false
}

// excused tells whether a complete answer may lack a client: its node had been voted
// out, as far as the node asked knew at the beginning or at the end, or had not come
// in yet at the beginning; checkNewcomers sees that it does not answer completely
// before that.
func (w *world) excused(o *op, c client) bool {
	m := c.home.node.self
	return !contains(&o.viewBefore, m) || w.wasOut(m, &o.view)
}

// excusedUnknown tells whether a client that is there may be called unknown: its node
// had been voted out, or had not come in yet. A node that is itself outside of the
// view knows neither, so it may not say so.
func (w *world) excusedUnknown(o *op, c client) bool {
	m := c.home.node.self
	if o.viewBefore.Chain != 0 {
		return !contains(&o.viewBefore, m) || o.view.Chain != 0 && w.wasOut(m, &o.view)
	}
	for _, list := range w.history.installs {
		for _, i := range list {
			if i.at <= o.begin && contains(&i.view, m) {
				return false
			}
		}
	}
	return true
}

// checkNewcomers: once a new member has answered completely, everybody who answers
// completely has asked it.
func (w *world) checkNewcomers() (faults []string) {
	first := map[message.Member]int64{}
	for _, o := range w.history.ops {
		if m := o.entry.node.self; o.done && o.complete {
			if at, ok := first[m]; !ok || o.end < at {
				first[m] = o.end
			}
		}
	}
	for _, o := range w.history.ops {
		for m, at := range first {
			if !o.done || !o.complete || o.begin <= at || contains(&o.viewBefore, m) || w.wasOut(m, &o.viewBefore) {
				continue
			}
			faults = append(faults, fmt.Sprintf("node %v answered completely at %v, and an answer of node %v after that lacks it",
				m, time.Duration(at), o.entry.node.self))
		}
	}
	return faults
}

// wasOut tells whether a process is not in a view, but in an earlier one.
func (w *world) wasOut(m message.Member, v *message.View) bool {
	if contains(v, m) {
		return false
	}
	for chain, list := range w.history.installs {
		for _, i := range list {
			if contains(&i.view, m) && (chain != v.Chain || i.view.Epoch < v.Epoch) {
				return true
			}
		}
	}
	return false
}

// checkDeliveries: nothing comes twice, late or out of order, and sums are exact.
func (w *world) checkDeliveries() (faults []string) {
	h := &w.history
	for _, o := range h.ops {
		list := h.deliveries[o.payload]
		seen := map[string]bool{}
		for _, d := range list {
			if seen[d.client] {
				faults = append(faults, fmt.Sprintf("push %s came twice", o.payload))
			}
			seen[d.client] = true
			if o.done && d.at > o.end {
				faults = append(faults, fmt.Sprintf("push %s, %v to %v via node %d, came %v after its answer to a client of node %v; complete %v failed %v", o.payload, time.Duration(o.begin), time.Duration(o.end), o.entry.number, time.Duration(d.at-o.end), h.homes[d.client], o.complete, o.failed))
			}
		}
		if len(list) > 0 && o.done && (o.complete && o.matched != len(list) && !w.excusedSum(o) || o.matched > len(list)) {
			faults = append(faults, fmt.Sprintf("push %s answered %d, complete %v, and came to %d", o.payload, o.matched, o.complete, len(list)))
		}
	}
	for c, list := range h.sequence {
		last := map[string]int{}
		for _, payload := range list {
			caller, text, _ := strings.Cut(payload, "-")
			n := 0
			_, _ = fmt.Sscan(text, &n)
			if n < last[caller] {
				faults = append(faults, fmt.Sprintf("client %s got push %s after %s-%d", c[:6], payload, caller, last[caller]))
			}
			last[caller] = n
		}
	}
	return faults
}

// excusedSum tells whether a node was asked and then voted out: its clients do not
// count any more, though some have had the push.
func (w *world) excusedSum(o *op) bool {
	return slices.ContainsFunc(w.history.deliveries[o.payload], func(d delivery) bool {
		return w.wasOut(w.history.homes[d.client], &o.view)
	})
}

// checkViews: whoever has answered completely was not voted out when it was asked.
func (w *world) checkViews() (faults []string) {
	for _, o := range w.history.ops {
		if !o.done || !o.complete {
			continue
		}
		m := o.entry.node.self
		for _, i := range w.history.installs[o.view.Chain] {
			if i.at < o.begin && i.view.Epoch > o.view.Epoch && !contains(&i.view, m) {
				faults = append(faults, fmt.Sprintf("node %v answered completely at %v in epoch %d, and was voted out with epoch %d at %v",
					m, time.Duration(o.begin), o.view.Epoch, i.view.Epoch, time.Duration(i.at)))
			}
		}
	}
	return faults
}

// checkExclusive: in the end each uid that was only ever bound exclusively has one
// connection at most.
func (w *world) checkExclusive() (faults []string) {
	for _, uid := range exclusiveUIDs {
		var have []string
		for _, p := range w.procs {
			for _, c := range p.local.order {
				if c.uid == uid {
					have = append(have, fmt.Sprintf("%s@%d", c.id[:6], p.number))
				}
			}
		}
		if len(have) > 1 {
			faults = append(faults, fmt.Sprintf("%s has %v", uid, have))
		}
	}
	return faults
}
