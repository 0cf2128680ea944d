package loadtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// Plan says what a scenario does. Swarm.Streams is set by the scenario.
type Plan struct {
	Swarm Config
	// Control is the gateway's control API; connect, and idle without Bind,
	// do without.
	Control *Control
	// PID is the server's process on this machine, 0 if its costs are not
	// to be measured.
	PID int
	// Bind binds each connection to a uid of its own, in one of Groups
	// groups (0: in none).
	Bind   bool
	Groups int
	// Rate, For and Size are those of Pace.
	Rate float64
	For  time.Duration
	Size int
	// Callers is how many push at once, each a stream of its own; they share
	// the rate. At rate 0 a broadcast is repeated once all callers' messages
	// have arrived everywhere. 1 to 256.
	Callers int
	// Settle is the time between opening and measuring.
	Settle time.Duration
	// Patience is how long messages may take after the last push.
	Patience time.Duration
	// Log is told what goes on, a line at a time. May be nil.
	Log func(line string)
}

// Bounds of a Plan.
const maxDuration = 24 * time.Hour

// Scenarios are the names Run knows, with what they do.
var Scenarios = map[string]string{
	"connect":   "open the connections, say how fast and at what cost",
	"idle":      "hold the connections, say what each costs the server",
	"broadcast": "push to all connections",
	"unicast":   "push to one connection after the other",
}

// Result is what a scenario found.
type Result struct {
	Scenario    string        `json:"scenario"`
	Started     time.Time     `json:"started"`
	Connections int           `json:"connections"`
	Opening     time.Duration `json:"opening_ns"` // until the last connection was open
	Held        time.Duration `json:"held_ns"`    // while the rest was measured
	Server      *ServerCost   `json:"server,omitempty"`
	Pushes      *Pushes       `json:"pushes,omitempty"`
	// Deliveries is messages received a second, while pushing.
	Deliveries float64 `json:"deliveries_per_second,omitempty"`
	// SwarmLoad is the CPU time of this process by its loops and time, while
	// measuring (connect: while opening): near 1 the swarm is the bottleneck.
	SwarmLoad float64 `json:"swarm_load"`
	Report    *Report `json:"report"`
	// Warnings are reasons to doubt the figures.
	Warnings []string `json:"warnings,omitempty"`
}

// Run plays a scenario. When ctx is done it ends early with what was measured
// so far. A result comes with an error if the server did not do what it should.
func Run(ctx context.Context, scenario string, p Plan) (*Result, error) {
	if err := p.check(scenario); err != nil {
		return nil, err
	}
	for i := 0; i < p.Callers; i++ {
		kind := Broadcast
		if scenario == "unicast" {
			kind = Unicast
		}
		p.Swarm.Streams = append(p.Swarm.Streams, kind)
	}
	meter, err := newMeter(p.PID)
	if err != nil {
		return nil, err
	}
	r := &Result{Scenario: scenario, Started: time.Now(), Connections: p.Swarm.Connections}
	begun, self := time.Now(), ownCPU()
	s, err := Open(ctx, p.Swarm)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r.Opening = time.Since(begun)
	r.SwarmLoad = loopLoad(self, r.Opening, s)
	p.log("%d connections open after %v", s.Len(), Round(r.Opening))
	if err := meter.opened(); err != nil {
		return nil, err
	}
	if p.Bind {
		if err := p.bind(ctx, s); err != nil {
			return nil, err
		}
		p.log("bound to uids of their own, %d groups", p.Groups)
	}
	pause(ctx, p.Settle)
	if err := p.measure(ctx, s, r, meter); err != nil {
		return r, err
	}
	r.judge(p)
	return r, r.Report.Err()
}

// measure is the part of a scenario after everything is open.
func (p *Plan) measure(ctx context.Context, s *Swarm, r *Result, meter *meter) error {
	if err := meter.begin(); err != nil {
		return err
	}
	begun, self := time.Now(), ownCPU()
	var failed error
	switch r.Scenario {
	case "idle":
		pause(ctx, p.For)
	case "broadcast", "unicast":
		p.log("pushing for %v", p.For)
		r.Pushes, failed = p.push(ctx, s, r.Scenario)
		if err := s.waitPatiently(ctx, p.Patience); err != nil && failed == nil {
			p.log("%v", err)
		}
	}
	r.Held = time.Since(begun)
	r.Report = s.Report()
	if r.Scenario != "connect" {
		r.SwarmLoad = loopLoad(self, r.Held, s)
	}
	if r.Pushes != nil && r.Held > 0 {
		r.Deliveries = float64(r.Report.Received) / r.Held.Seconds()
	}
	var err error
	r.Server, err = meter.end(s.Len(), r.Report.Received)
	if failed != nil {
		return failed
	}
	return err
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	cpu, err := Process{PID: os.Getpid()}.CPU()
	if err != nil {
		panic("loadtest: " + err.Error()) // a process can always read its own
	}
	return cpu
}

// loopLoad is the CPU time since a reading of ownCPU, in parts of what the
// swarm's loops can use in that time.
func loopLoad(since time.Duration, took time.Duration, s *Swarm) float64 {
	return (ownCPU() - since).Seconds() / max(took.Seconds(), 1e-9) / float64(s.cfg.Loops)
}

// push plays the pushing part of a scenario.
func (p *Plan) push(ctx context.Context, s *Swarm, scenario string) (*Pushes, error) {
	push, pace := p.Control.PushTo(nil), Pace{Rate: p.Rate / float64(p.Callers), For: p.For, Size: p.Size}
	if scenario == "unicast" {
		push = p.Control.PushTo(s.ClientIDs())
	} else if p.Rate == 0 {
		return s.Volleys(ctx, push, s.streams, pace, p.Patience)
	}
	var callers sync.WaitGroup
	done := make([]*Pushes, p.Callers)
	errs := make([]error, p.Callers)
	for i, st := range s.streams {
		pace := pace
		if scenario == "unicast" {
			pace.Target = func(k int) int { return (k*p.Callers + i) % s.Len() }
		}
		callers.Go(func() { done[i], errs[i] = st.Push(ctx, push, pace) })
	}
	callers.Wait()
	all := newPushes()
	var failed error
	for i := range done {
		all.merge(done[i])
		if errs[i] != nil {
			failed = errs[i]
		}
	}
	return all, failed
}

// bind gives every connection a uid of its own and spreads them over groups.
func (p *Plan) bind(ctx context.Context, s *Swarm) error {
	return p.Control.Bind(ctx, Bindings(s, 0, p.Groups))
}

// Bindings gives every connection of s a uid of its own, and one of so many
// groups. Uids are numbered from first, so that several swarms can differ.
func Bindings(s *Swarm, first, groups int) []Binding {
	var all []Binding
	for i, id := range s.ClientIDs() {
		i += first
		b := Binding{ClientID: id, UID: "loadtest-" + strconv.Itoa(i)}
		if groups > 0 {
			b.Groups = []string{"loadtest-" + strconv.Itoa(i%groups)}
		}
		all = append(all, b)
	}
	return all
}

// judge adds reasons to doubt the figures.
func (r *Result) judge(p Plan) {
	warn := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.SwarmLoad > 0.85 {
		warn("the swarm was busy %.0f %% of its time: the figures show its limits, not the server's; more --loops may help", 100*r.SwarmLoad)
	}
	if r.Pushes == nil {
		return
	}
	each := 1
	if r.Scenario == "broadcast" {
		each = r.Connections
	}
	if want := each * r.Pushes.Taken; r.Pushes.Matched != want {
		warn("the server matched %d receivers, the swarm should have been %d: other clients are connected, or ours are not", r.Pushes.Matched, want)
	}
	if r.Pushes.Refused > 0 {
		warn("the server refused %d pushes for want of room", r.Pushes.Refused)
	}
	if r.Pushes.Dropped > 0 {
		warn("the server says that it dropped %d messages", r.Pushes.Dropped)
	}
	if wanted := p.Rate * p.For.Seconds(); p.Rate > 0 && float64(r.Pushes.Taken+r.Pushes.Refused) < 0.98*wanted-1 {
		warn("only %d of %.0f pushes were made: the server's answers took too long for that rate, or it was interrupted",
			r.Pushes.Taken+r.Pushes.Refused, wanted)
	}
}

// check reports the first setting that is out of its range.
func (p *Plan) check(scenario string) error {
	if _, ok := Scenarios[scenario]; !ok {
		return fmt.Errorf("no scenario %q", scenario)
	}
	pushing := scenario == "broadcast" || scenario == "unicast"
	if (pushing || p.Bind) && p.Control == nil {
		return fmt.Errorf("%s needs the control API", scenario)
	}
	if pushing {
		if p.Callers < 1 || p.Callers > maxStreams {
			return fmt.Errorf("callers: %d is not between 1 and %d", p.Callers, maxStreams)
		}
		if p.Size < MinPayload || p.Size > MaxPayload {
			return fmt.Errorf("size: %d is not between %d and %d bytes", p.Size, MinPayload, MaxPayload)
		}
		if p.Rate < 0 || p.Rate > 1e6 {
			return fmt.Errorf("rate: %v is not between 0 and 1,000,000 a second", p.Rate)
		}
	} else {
		p.Callers = 0
	}
	if p.For < 0 || p.For > maxDuration {
		return fmt.Errorf("duration: %v is not between 0 and %v", p.For, maxDuration)
	}
	return nil
}

func (p *Plan) log(format string, args ...any) {
	if p.Log != nil {
		p.Log(fmt.Sprintf(format, args...))
	}
}

// pause sleeps for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
