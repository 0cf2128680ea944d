package loadtest

import (
	"fmt"
	"time"
)

// Result is what a scenario found.
type Result struct {
	Scenario    string    `json:"scenario"`
	Started     time.Time `json:"started"`
	Connections int       `json:"connections"`
	// Groups is how many groups the connections were bound to, 0 if to none.
	Groups int `json:"groups,omitempty"`
	// Interrupted says what was going on when the run was ended from outside.
	Interrupted string        `json:"interrupted,omitempty"`
	Opening     time.Duration `json:"opening_ns"` // until the last connection was open
	Held        time.Duration `json:"held_ns"`    // while the rest was measured
	Server      *ServerCost   `json:"server,omitempty"`
	// Pushes are those the scenario is about, all callers together.
	Pushes *Pushes `json:"pushes,omitempty"`
	// Deliveries is messages received a second, while pushing.
	Deliveries float64 `json:"deliveries_per_second,omitempty"`
	// SwarmLoad is the CPU time of this process by its loops and time, while
	// measuring (connect: while opening): near 1 the swarm is the bottleneck.
	SwarmLoad float64 `json:"swarm_load"`
	// Foreign is the part of this machine's CPU time that neither the server
	// nor the swarm used while measuring, 0 to 1. 0 if the server is not
	// measured.
	Foreign float64 `json:"foreign_cpu"`
	// Report is of all connections but slow readers. Nil if none was opened.
	Report *Report `json:"report"`
	Mixed  *Mixed  `json:"mixed,omitempty"`
	Churn  *Churn  `json:"churn,omitempty"`
	Storm  *Storm  `json:"storm,omitempty"`
	// Warnings are reasons to doubt the figures.
	Warnings []string `json:"warnings,omitempty"`
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// judge adds reasons to doubt the figures. A run that has failed could not do
// all that was wanted.
func (r *Result) judge(p *Plan, failed bool) {
	if r.SwarmLoad > 0.85 && max(r.Opening, r.Held) > 100*time.Millisecond {
		r.warn("the swarm was busy %.0f %% of its time: the figures show its limits, not the server's; more loops may help", 100*r.SwarmLoad)
	}
	// The kernel counts in ticks: a short time tells nothing.
	if r.Foreign > 0.1 && r.Held > time.Second/2 {
		r.warn("others used %.0f %% of this machine's CPU time: the figures are of a server and a swarm that had to wait", 100*r.Foreign)
	}
	if c := r.Server; c != nil && c.PSSPerConnection <= 0 && (r.Scenario == "idle" || r.Scenario == "connect") {
		r.warn("the server took no more memory for the connections: it still had some from before; start it anew to see what they cost")
	}
	if r.Pushes == nil {
		return
	}
	if r.Churn == nil && r.Pushes.Matched != r.Pushes.Receivers {
		r.warn("the server matched %d receivers, the swarm should have been %d: other clients are connected, or ours are not", r.Pushes.Matched, r.Pushes.Receivers)
	}
	wanted := p.For.Seconds()
	if failed || r.Storm != nil {
		wanted = 0
	}
	r.Pushes.judge(r, "pushes", p.Rate*wanted)
	if r.Mixed != nil && r.Mixed.Broadcasts != nil {
		r.Mixed.Broadcasts.judge(r, "broadcasts", p.BroadcastRate*wanted)
	}
	if r.Churn != nil && r.Churn.Groups != nil {
		r.Churn.Groups.judge(r, "pushes to groups", p.GroupRate*wanted)
	}
	if r.Churn != nil && r.Churn.Unicasts != nil {
		r.Churn.Unicasts.judge(r, "unicasts", p.UnicastRate*wanted)
	}
}

// judge adds reasons to doubt pushes of which so many were wanted, 0 for as
// many as possible.
func (p *Pushes) judge(r *Result, name string, wanted float64) {
	if p.Refused > 0 {
		r.warn("the server refused %d %s for want of room", p.Refused, name)
	}
	if p.Dropped > 0 {
		r.warn("the server says that it dropped %d of the messages of %s", p.Dropped, name)
	}
	if wanted > 0 && float64(p.Taken+p.Refused) < 0.98*wanted-1 {
		why := "the server's answers took too long for that rate"
		if r.Interrupted != "" {
			why = "the run was interrupted"
		}
		r.warn("only %d of %.0f %s were made: %s", p.Taken+p.Refused, wanted, name, why)
	}
}
