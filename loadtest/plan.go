package loadtest

import (
	"errors"
	"fmt"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// Plan configures a scenario. Swarm.Streams, Swarm.Groups, Swarm.First and
// Swarm.Arrived are set by the scenario.
type Plan struct {
	Swarm swarm.Config
	// Control is the gateway's control API; connect, and idle without Bind, do
	// not need it.
	Control *control.Client
	// PID is the server's process on this machine, 0 if its costs are not
	// measured, FindPID to find the one that listens at the URLs.
	PID int
	// Bind binds each connection to a uid of its own, in one of Groups groups
	// (0: in none). Group and storm always do, with at least one group.
	Bind   bool
	Groups int
	// Rate, For and Size are those of Pace; in mixed, of its unicasts.
	Rate float64
	For  time.Duration
	Size int
	// Callers is how many push concurrently, each with a stream of its own;
	// they share the rate. At rate 0, a push to many is repeated once all
	// callers' messages have arrived everywhere, a unicast once it is answered.
	// 1 to 250.
	Callers int
	// BroadcastRate and BroadcastSize are those of the broadcasts of mixed, at
	// most 1,000,000 per second. Rate 0: none.
	BroadcastRate float64
	BroadcastSize int
	// Slow is how many connections of mixed stop reading while it pushes.
	Slow int
	// Replace is how many connections per second come and go in churn, above 0
	// and up to 1,000,000. Broken is the share of them, 0 to 1, that is reset
	// instead of closed. The first Stay connections are never replaced.
	Replace float64
	Broken  float64
	Stay    int
	// GroupRate and UnicastRate are pushes per second to groups and to uids in
	// addition to churn's broadcasts, at most 1,000,000; 0: none. With either
	// of them connections are bound. A connection expects these pushes once it
	// is bound.
	GroupRate   float64
	UnicastRate float64
	// Settle is the pause between opening and measuring.
	Settle time.Duration
	// Patience is how long messages may take after the last push, and in churn
	// and storm how long connections may take.
	Patience time.Duration
	// Limit is the time for everything except the wait for the last messages.
	// 0: ten minutes more than the plan requires.
	Limit time.Duration
	// Log receives lines about what happens. May be nil.
	Log func(line string)
	// Progress is called several times a second, by one goroutine at a time,
	// which is not that of Log. May be nil; then Swarm.Progress is unchanged.
	Progress func(Progress)
}

// Limits of a Plan.
const (
	maxDuration = 24 * time.Hour
	maxCallers  = swarm.MaxStreams - 6 // some scenarios have additional streams
	maxRate     = 1e6
)

// FindPID as a Plan's PID means the process that listens at the URLs, if it can
// be found.
const FindPID = -1

// slack is the time for opening and closing that a plan does not state.
const slack = 10 * time.Minute

// prepare fills in what the scenario sets itself and reports the first setting
// that is out of range.
func (p *Plan) prepare(sc *scenario) error {
	if _, err := p.Swarm.WithDefaults(); err != nil {
		return err
	}
	if sc.needs&needsControl == 0 && !p.Bind {
		p.Control = nil
	}
	if sc.needs&needsGroups != 0 {
		p.Bind, p.Groups = true, max(p.Groups, 1)
	}
	if sc.needs&needsReplace != 0 {
		if p.GroupRate > 0 || p.UnicastRate > 0 {
			p.Bind, p.Groups = true, max(p.Groups, 1)
		}
		p.Swarm.BoundLater = p.Bind
	}
	if (sc.needs&needsControl != 0 || p.Bind) && p.Control == nil {
		return fmt.Errorf("%s needs the control API", sc.name)
	}
	if (sc.needs&needsIDs != 0 || p.Bind) && p.Swarm.NoInit {
		return errors.New("unicasts and binding need client ids, which a server without an init message does not send")
	}
	if sc.needs&needsPace == 0 {
		p.Callers = 0
	}
	p.Swarm.Groups = max(p.Groups, 1)
	if p.Limit == 0 {
		p.Limit = p.asked() + slack
	}
	return p.check(sc)
}

// asked is how long the plan takes with a server that answers at once.
func (p *Plan) asked() time.Duration {
	all := max(p.Settle, 0) + max(p.For, 0) + 2*max(p.Patience, 0)
	if rate := p.Swarm.Rate; rate > 0 {
		all += time.Duration(float64(p.Swarm.Connections) / rate * 1e9)
	}
	return min(all, 4*maxDuration)
}

// check reports the first setting that is out of range.
func (p *Plan) check(sc *scenario) error {
	if sc.needs&needsPace != 0 && (p.Callers < 1 || p.Callers > maxCallers) {
		return fmt.Errorf("callers: %d is not between 1 and %d", p.Callers, maxCallers)
	}
	for _, size := range []struct {
		name string
		n    int
		used bool
	}{
		{"size", p.Size, sc.needs&needsSize != 0},
		{"broadcast size", p.BroadcastSize, sc.needs&needsMix != 0},
	} {
		if size.used && (size.n < payload.MinSize || size.n > payload.MaxSize) {
			return fmt.Errorf("%s: %d is not between %d and %d bytes", size.name, size.n, payload.MinSize, payload.MaxSize)
		}
	}
	for _, rate := range []struct {
		name string
		n    float64
	}{
		{"rate", p.Rate}, {"broadcast rate", p.BroadcastRate}, {"connections replaced", p.Replace},
		{"rate of pushes to groups", p.GroupRate}, {"rate of unicasts", p.UnicastRate},
	} {
		if !(rate.n >= 0 && rate.n <= maxRate) { // also rejects NaN
			return fmt.Errorf("%s: %v is not between 0 and 1,000,000 per second", rate.name, rate.n)
		}
	}
	if sc.needs&needsMix != 0 && (p.Slow < 0 || p.Slow > p.Swarm.Connections-2) {
		return fmt.Errorf("slow readers: %d is not between 0 and %d, the number of connections minus two that read", p.Slow, max(p.Swarm.Connections-2, 0))
	}
	if err := p.checkChurn(sc); err != nil {
		return err
	}
	for _, d := range []struct {
		name  string
		value time.Duration
		most  time.Duration
	}{
		{"duration", p.For, maxDuration}, {"settle", p.Settle, maxDuration},
		{"patience", p.Patience, maxDuration}, {"limit", p.Limit, 7 * maxDuration},
	} {
		if d.value < 0 || d.value > d.most {
			return fmt.Errorf("%s: %v is not between 0 and %v", d.name, d.value, d.most)
		}
	}
	if p.Groups < 0 || p.Groups > p.Swarm.Connections {
		return fmt.Errorf("groups: %d is not between 0 and the number of connections, %d", p.Groups, p.Swarm.Connections)
	}
	return nil
}

// checkChurn is check for settings of churn.
func (p *Plan) checkChurn(sc *scenario) error {
	switch {
	case sc.needs&needsReplace == 0:
		return nil
	case p.Replace == 0:
		return errors.New("connections replaced: 0 per second is not churn")
	case !(p.Broken >= 0 && p.Broken <= 1): // also rejects NaN
		return fmt.Errorf("connections reset: %v is not between 0 and 1, the share of those replaced", p.Broken)
	case p.Stay < 0 || p.Stay >= p.Swarm.Connections:
		return fmt.Errorf("connections that stay: %d is not between 0 and %d, the number of connections minus one", p.Stay, p.Swarm.Connections-1)
	}
	return nil
}

func (p *Plan) log(format string, args ...any) {
	if p.Log != nil {
		p.Log(fmt.Sprintf(format, args...))
	}
}
