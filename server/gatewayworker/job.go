package gatewayworker

import (
	"bytes"
	"context"
	"iter"

	wire "castgate/codec/gatewayworker"
)

// A command may name a million clients, while somebody else's next command waits.
// So work is counted in steps of about a microsecond. A command that may take long
// is a job. It starts at once, in order, but when the steps of its turn are used
// up, it continues in later turns, a few steps in each.
//
// The order: commands on one connection always run one after the other. Between
// connections, a command sees the effect of everything that was sent before it,
// except for the rest of a job, or of pipelined commands, that ran out of steps.

const (
	// turnSteps is how many steps the commands of one turn may take before jobs,
	// and connections with more commands, continue in later turns.
	turnSteps = 16 << 10
	// leastSteps is how many steps a connection may always take in a turn.
	leastSteps = 256
	// jobSteps is how many steps a turn gives to all continued jobs together.
	jobSteps = 4 << 10
	// lookSteps is the number of steps between two checks of the context by the
	// server.
	lookSteps = 64
	// longExt and longBody are the sizes in bytes of ext and of a serialized body
	// from which a command is a job.
	longExt, longBody = 4 << 10, 64 << 10
	// byteStep is how many bytes of input or output count as a step.
	byteStep = 256
)

// job is a command in execution. It is also the context for the server's verbs:
// when they check it, it gives way.
type job struct {
	context.Context
	loop    *innerLoop
	conn    *innerConn
	frame   wire.Frame
	session int // bytes of the session that it changes
	decoder wire.Decoder
	body    []byte // the message under construction
	rows    []byte // of the reply under construction
	rest    []byte // rows that come after the others
	built   int    // bytes of the reply so far
	over    bool   // the reply exceeds the limit

	// Of a job that can give way.
	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
	left   int  // steps until it gives way
	busy   bool // it waits for room at the event loops
	dead   bool // nobody wants the rest: it must do nothing more
}

// execution is the part of the inner loop that shares time among commands: what is done at
// once, and the jobs that continue.
type execution struct {
	loop  *innerLoop
	jobs  []*job // that continue in later turns
	steps int    // left in this turn; see job
	built int    // bytes of replies under construction by jobs
}

// begin begins a turn.
func (e *execution) begin() { e.steps = turnSteps }

// left is how many steps are left in this turn.
func (e *execution) left() int { return e.steps }

// underWay is how many commands continue in later turns.
func (e *execution) underWay() int { return len(e.jobs) }

// long reports whether a command may take more than a few steps.
func long(f *wire.Frame) bool {
	switch f.Command {
	case wire.AllSessions, wire.SessionsOfGroup, wire.SelectClients, wire.Groups, wire.Ungroup, wire.ClientsOfUID:
		return true
	case wire.SendToAll, wire.SendToUID, wire.SendToGroup, wire.CountsOfGroups, wire.ClientsOfUIDs, wire.UpdateSession:
		if len(f.Ext) >= longExt {
			return true
		}
	}
	return f.Flags&wire.FlagPlain == 0 && len(f.Body) >= longBody
}

// perform executes a command of an authorized connection: at once, or as a job.
func (e *execution) perform(c *innerConn, f *wire.Frame) {
	session := e.updated(f)
	if !long(f) && session < longBody {
		e.loop.commands.spend(1)
		e.loop.commands.obey(c, f)
		return
	}
	j := &job{Context: background, loop: e.loop, conn: c, frame: *f, session: session}
	if len(f.Ext)+len(f.Body) <= readLen { // it may be in a buffer of the loop
		j.frame.Ext, j.frame.Body = bytes.Clone(f.Ext), bytes.Clone(f.Body)
	}
	j.decoder.Pace = j.passed
	j.resume, j.stop = iter.Pull(func(yield func(struct{}) bool) {
		j.yield = yield
		if j.step(1) {
			e.loop.commands.obey(c, &j.frame)
		}
	})
	c.job = j
	if e.crowded(j) {
		e.jobs = append(e.jobs, j)
		return
	}
	if !e.goOn(j, max(e.steps, leastSteps)) {
		e.jobs = append(e.jobs, j)
		return
	}
	e.ended(j)
}

// updated is the size in bytes of the session that an UPDATE_SESSION changes.
// However short the update, the work depends on the size of the session.
func (e *execution) updated(f *wire.Frame) int {
	if f.Command != wire.UpdateSession {
		return 0
	}
	return e.loop.commands.sessionLen(f.ConnectionID)
}

// crowded reports whether a job must wait until others have ended: parsed frames
// take many times the memory of the frames.
func (e *execution) crowded(j *job) bool {
	size := j.size()
	for _, other := range e.jobs {
		if size += other.size(); size > maxJobBytes {
			return true
		}
	}
	return false
}

// unbuilt uncounts bytes of a reply that is no longer under construction.
func (e *execution) unbuilt(n int) { e.built -= n }

// maxJobBytes limits the bytes of frames, and of the sessions that they change,
// that are parsed at a time. One job always continues.
const maxJobBytes = wire.MaxFrame

func (j *job) size() int { return wire.HeaderLen + len(j.frame.Ext) + len(j.frame.Body) + j.session }

// goOn runs a job for some steps and reports whether it has ended.
func (e *execution) goOn(j *job, steps int) bool {
	j.left, j.busy = steps, false
	before := e.loop.commands.turnTo(j)
	_, more := j.resume()
	e.loop.commands.turnTo(before)
	return !more
}

// ended releases what a job held.
func (e *execution) ended(j *job) {
	e.built -= j.built
	c := j.conn
	c.job = nil
	if c.closed {
		return
	}
	c.stopped, c.lastIn = false, e.loop.now()
	e.loop.reader.hold(c)
}

// goOnWithJobs gives each job its share of the turn.
func (e *execution) goOnWithJobs() {
	if len(e.jobs) == 0 {
		return
	}
	part := max(jobSteps/len(e.jobs), 1)
	size, waiting := 0, e.jobs
	e.jobs = nil
	for i, j := range waiting {
		size += j.size()
		switch {
		case j.dead:
			j.stop()
			e.ended(j)
			continue
		case i > 0 && size > maxJobBytes: // see crowded
		case e.goOn(j, part):
			e.ended(j)
			if !j.conn.closed {
				e.loop.reader.readLater(j.conn)
			}
			continue
		}
		e.jobs = append(e.jobs, j)
	}
}

// allBusy reports whether every job waits for the event loops.
func (e *execution) allBusy() bool {
	for _, j := range e.jobs {
		if !j.busy {
			return false
		}
	}
	return true
}

// step counts work, and gives way when it is time. It returns false if the job must
// stop.
func (j *job) step(n int) bool {
	j.loop.execution.steps -= n
	j.loop.count.steps.Add(uint64(n))
	if j.left -= n; j.left <= 0 && j.yield != nil && !j.dead && !j.yield(struct{}{}) {
		j.dead = true
	}
	return !j.dead
}

// passed counts bytes that have been read.
func (j *job) passed(n int) bool { return j.step(1 + n/byteStep) }

// pause gives way until the next turn. It returns false if the job must stop.
func (j *job) pause() bool {
	j.left, j.busy = 0, true
	return j.step(0)
}

// Err implements context.Context for the server's verbs, which check it between
// parts of their work.
func (j *job) Err() error {
	if !j.step(lookSteps) {
		return context.Canceled
	}
	return nil
}

// fits reports whether a reply of n bytes so far may grow.
func (j *job) fits(n int) bool {
	e := &j.loop.execution
	e.built += n - j.built
	j.built = n
	if e.loop.writer.allWaiting()+e.built > e.loop.cfg.MaxAllReplies {
		j.over = true
	}
	return !j.over && !j.dead
}
