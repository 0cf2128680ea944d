package history

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// The model finds a push that should have come, one that should not, and a bind that
// forgot the one before; what nobody knows is no fault.
func TestModel(t *testing.T) {
	named := func(v verb, name, previous string) observed {
		return observed{call: &call{verb: v, name: name, previous: previous}, self: true, certain: true}
	}
	with := func(o observed, change func(*observed)) observed {
		c := *o.call
		o.call = &c
		change(&o)
		return o
	}
	vaguely := func(o observed) observed { return with(o, func(o *observed) { o.certain = false }) }
	others := func(o observed) observed { return with(o, func(o *observed) { o.self = false }) }
	bound, again := named(bind, "u1", ""), named(bind, "u2", "u1")
	missed := others(named(pushUID, "u1", ""))
	came := with(missed, func(o *observed) { o.delivered = true })
	joined, left := named(join, "g1", ""), named(leave, "g1", "")
	missedGroup := others(named(pushGroup, "g1", ""))
	cameGroup := with(missedGroup, func(o *observed) { o.delivered = true })
	kicked, replaced := named(kick, "", ""), others(named(replace, "x0", ""))
	exclusively := named(replace, "x0", "")
	offline := named(online, "", "")
	isOnline := with(offline, func(o *observed) { o.online = true })
	noLonger := named(gone, "", "")
	still := with(noLonger, func(o *observed) { o.there = true })
	unknown := with(named(bind, "u1", ""), func(o *observed) { o.unknown = true })
	spared := with(replaced, func(o *observed) { o.spared = true })
	for i, tt := range []struct {
		steps []observed
		legal bool
	}{
		{[]observed{bound, came, again, missed, still}, true}, {[]observed{bound, missed}, false}, {[]observed{came}, false},
		{[]observed{bound, named(bind, "u2", "")}, false}, {[]observed{bound, named(unbind, "", "u1"), missed}, true},
		{[]observed{vaguely(bound), came, again}, true}, {[]observed{vaguely(bound), missed}, true}, {[]observed{vaguely(bound), came, missed}, false},
		{[]observed{bound, vaguely(missed)}, true}, {[]observed{vaguely(came)}, false},
		{[]observed{joined, cameGroup, left, missedGroup}, true}, {[]observed{joined, missedGroup}, false}, {[]observed{cameGroup}, false},
		{[]observed{joined, left, cameGroup}, false}, {[]observed{kicked, offline, noLonger}, true}, {[]observed{kicked, isOnline}, false},
		{[]observed{kicked, still}, false}, {[]observed{noLonger}, false}, {[]observed{vaguely(kicked), still}, true}, {[]observed{offline}, false},
		{[]observed{exclusively, replaced, noLonger}, true}, {[]observed{exclusively, replaced, still}, false}, {[]observed{exclusively, spared, still}, true},
		{[]observed{replaced, still}, true}, {[]observed{unknown}, false}, {[]observed{kicked, unknown}, true}, {[]observed{kicked, bound}, false},
		{[]observed{bound, kicked, came}, false}, {[]observed{vaguely(unknown)}, true},
	} {
		var history []porcupine.Operation
		for at, one := range tt.steps {
			history = append(history, porcupine.Operation{Input: one, Call: int64(2 * at), Return: int64(2*at + 1)})
		}
		if legal := porcupine.CheckOperations(model.ToModel(), history); legal != tt.legal {
			t.Errorf("history %d is legal: %v", i, legal)
		}
		if !tt.legal && explain(history) == "" {
			t.Errorf("history %d is not explained", i)
		}
	}
}
