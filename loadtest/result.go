package loadtest

import (
	"fmt"
	"time"

	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// Result is the result of a scenario.
type Result struct {
	Scenario    string    `json:"scenario"`
	Started     time.Time `json:"started"`
	Connections int       `json:"connections"`
	// Groups is the number of groups that the connections were bound to, 0 for
	// none.
	Groups int `json:"groups,omitempty"`
	// Interrupted is what was going on when the run was interrupted from
	// outside.
	Interrupted string        `json:"interrupted,omitempty"`
	Opening     time.Duration `json:"opening_ns"` // until the last connection was open
	Held        time.Duration `json:"held_ns"`    // while the rest was measured
	Server      *ServerCost   `json:"server,omitempty"`
	// Pushes are those that the scenario is about, of all callers together.
	Pushes *pushing.Pushes `json:"pushes,omitempty"`
	// Deliveries is the number of messages received per second while pushing.
	Deliveries float64 `json:"deliveries_per_second,omitempty"`
	// SwarmLoad is the CPU time of this process relative to what its loops
	// could use while measuring (connect: while opening). Near 1 the swarm is
	// the bottleneck.
	SwarmLoad float64 `json:"swarm_load"`
	// Foreign is the share of this machine's CPU time, 0 to 1, that neither the
	// server nor the swarm used while measuring. 0 if the server is not
	// measured.
	Foreign float64 `json:"foreign_cpu"`
	// Report covers all connections except slow readers. Nil if none was
	// opened.
	Report *swarm.Report `json:"report"`
	Mixed  *Mixed        `json:"mixed,omitempty"`
	Churn  *Churn        `json:"churn,omitempty"`
	Storm  *Storm        `json:"storm,omitempty"`
	// Warnings are reasons to doubt the figures.
	Warnings []string `json:"warnings,omitempty"`
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// judge adds reasons to doubt the figures. A run that has failed could not do
// everything that was planned.
func (r *Result) judge(p *Plan, failed bool) {
	if r.SwarmLoad > 0.85 && max(r.Opening, r.Held) > 100*time.Millisecond {
		r.warn("the swarm was busy %.0f %% of its time: the figures show its limits, not the server's; more loops may help", 100*r.SwarmLoad)
	}
	// The kernel counts in ticks, so a short time is meaningless.
	if r.Foreign > 0.1 && r.Held > time.Second/2 {
		r.warn("other processes used %.0f %% of this machine's CPU time, so the server and the swarm had to wait", 100*r.Foreign)
	}
	if c := r.Server; c != nil && c.PSSPerConnection <= 0 && (r.Scenario == "idle" || r.Scenario == "connect") {
		r.warn("the server needed no more memory for the connections, because it still held memory from before; restart it to measure their cost")
	}
	if r.Pushes == nil {
		return
	}
	if r.Churn == nil && r.Pushes.Matched != r.Pushes.Receivers {
		r.warn("the server matched %d receivers instead of the swarm's %d: other clients are connected, or some of ours are not", r.Pushes.Matched, r.Pushes.Receivers)
	}
	wanted := p.For.Seconds()
	if failed || r.Storm != nil {
		wanted = 0
	}
	r.judgePushes(r.Pushes, "pushes", p.Rate*wanted)
	if r.Mixed != nil && r.Mixed.Broadcasts != nil {
		r.judgePushes(r.Mixed.Broadcasts, "broadcasts", p.BroadcastRate*wanted)
	}
	if r.Churn != nil && r.Churn.Groups != nil {
		r.judgePushes(r.Churn.Groups, "pushes to groups", p.GroupRate*wanted)
	}
	if r.Churn != nil && r.Churn.Unicasts != nil {
		r.judgePushes(r.Churn.Unicasts, "unicasts", p.UnicastRate*wanted)
	}
}

// judgePushes adds reasons to doubt pushes. wanted is how many were planned, 0 for as
// many as possible.
func (r *Result) judgePushes(p *pushing.Pushes, name string, wanted float64) {
	if p.Refused > 0 {
		r.warn("the server refused %d %s because it had no room", p.Refused, name)
	}
	if p.Dropped > 0 {
		r.warn("the server reports that it dropped %d of the messages of %s", p.Dropped, name)
	}
	if wanted > 0 && float64(p.Taken+p.Refused) < 0.98*wanted-1 {
		why := "the server answered too slowly for that rate"
		if r.Interrupted != "" {
			why = "the run was interrupted"
		}
		r.warn("only %d of %.0f %s were made: %s", p.Taken+p.Refused, wanted, name, why)
	}
}
