package loadtest

import (
	"time"
)

// Progress is how far a run has come.
type Progress struct {
	// Measuring is false while connections open.
	Measuring bool
	// Open of Connections is kept up to date while connections open.
	Open, Connections int
	// Elapsed of For, while measuring. When the time is over, messages in
	// flight are waited for, so Elapsed may exceed For. For is 0 if there is no
	// fixed time.
	Elapsed, For time.Duration
	// Received and Expected are numbers of messages, as Swarm.Delivered counts
	// them.
	Received, Expected int64
}

// tellOpening makes the opening of the swarm report to the plan's Progress.
func (p *Plan) tellOpening() {
	if p.Progress == nil {
		return
	}
	of := p.Swarm.Connections
	p.Swarm.Progress = func(opened int) { p.Progress(Progress{Open: opened, Connections: of}) }
}

// tell reports the progress of measuring.
func (pl *play) tell() {
	if pl.Progress == nil {
		return
	}
	p := Progress{Measuring: true, Connections: pl.result.Connections, Elapsed: time.Since(pl.measuring), For: pl.For}
	for _, s := range pl.swarms {
		received, expected := s.Delivered()
		p.Received += received
		p.Expected += expected
		p.Open += s.Opened()
	}
	pl.Progress(p)
}
