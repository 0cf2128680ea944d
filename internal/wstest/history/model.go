package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// state is what a client is.
type state struct {
	gone   bool
	uid    string
	groups [2]bool // by place in the list of groups
}

// observed is a call from one client's side.
type observed struct {
	*call
	self      bool // the call names it
	delivered bool
	certain   bool // the call is complete, and its node was not in trouble
	spared    bool // of an exclusive bind: it may have lost to a later one
	there     bool // of an end: the connection is open
}

// next are the states that may follow.
func (o observed) next(s state) []state {
	matches := !s.gone && (o.verb == pushGroup && s.groups[slices.Index(groups, o.name)] || o.verb != pushGroup && s.uid == o.name)
	switch o.verb {
	case pushUID, pushGroup:
		if o.delivered == matches || !o.delivered && !o.certain {
			return []state{s}
		}
		return nil
	case gone:
		if o.there == s.gone {
			return nil
		}
		return []state{s}
	case online:
		if o.certain && o.online == s.gone {
			return nil
		}
		return []state{s}
	case kick:
		return either(s, !s.gone, o.certain, state{gone: true})
	case replace:
		if !o.self {
			return either(s, matches, o.certain && !o.spared, state{gone: true})
		}
	}
	return o.own(s)
}

// own are the states that may follow a call that names the client, and would change it.
func (o observed) own(s state) []state {
	if o.unknown || s.gone {
		if o.certain && o.unknown != s.gone {
			return nil
		}
		return []state{s}
	}
	after := s
	switch o.verb {
	case bind, replace:
		after.uid = o.name
	case unbind:
		after.uid = ""
	case join, leave:
		after.groups[slices.Index(groups, o.name)] = o.verb == join
	}
	if o.certain && (o.verb == bind || o.verb == replace || o.verb == unbind) && o.previous != s.uid {
		return nil
	}
	return either(s, true, o.certain, after)
}

// either is the state after a call if it applies to the client, and both if nobody knows
// whether it took place.
func either(s state, applies, certain bool, after state) []state {
	switch {
	case !applies:
		return []state{s}
	case certain:
		return []state{after}
	}
	return []state{s, after}
}

// moot tells whether a call says nothing of the client, whatever it is.
func (o observed) moot() bool {
	switch o.verb {
	case pushUID, pushGroup:
		return !o.delivered && !o.certain
	case online:
		return !o.certain
	}
	return false
}

var model = porcupine.NondeterministicModel{
	Init:  func() []interface{} { return []interface{}{state{}} },
	Equal: func(a, b interface{}) bool { return a == b },
	Step: func(s, in, _ interface{}) (list []interface{}) {
		for _, next := range in.(observed).next(s.(state)) {
			list = append(list, next)
		}
		return list
	},
}

// explain shows the end of the shortest part of a history that can't be.
func explain(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for n := range history {
		if !porcupine.CheckOperations(model.ToModel(), history[:n+1]) {
			history = history[:n+1]
			break
		}
	}
	var b strings.Builder
	for _, one := range history[max(0, len(history)-30):] {
		o := one.Input.(observed)
		fmt.Fprintf(&b, "\n  %9.4f-%9.4f %v: self %v, delivered %v, certain %v", float64(one.Call)/1e9, float64(one.Return)/1e9, o.call, o.self, o.delivered, o.certain)
	}
	return b.String()
}
