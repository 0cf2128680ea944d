package gatewayworker

import (
	"bytes"
	"context"
	"iter"

	wire "castgate/codec/gatewayworker"
)

// A command may name a million clients, and the next one of somebody else waits
// for it. So work is counted in steps of about a microsecond. A command that may
// take long is a job: it runs at once and in its place, but once the steps that a
// turn has for commands are spent, it goes on in later turns, a few steps in each.
//
// What holds for the order: on one connection, commands follow each other whatever
// they take. Between connections, a command sees all that was sent before it, but
// for what is left of a job, or of pipelined commands, that is out of steps.

const (
	// turnSteps is what the commands of one turn may take before jobs, and
	// connections with more commands, have to go on in later turns.
	turnSteps = 16 << 10
	// leastSteps is what a connection may take in a turn in any case.
	leastSteps = 256
	// jobSteps is what a turn gives all jobs that go on.
	jobSteps = 4 << 10
	// lookSteps is what is counted between two looks of the server at its context.
	lookSteps = 64
	// longExt and longBody are the bytes of ext and of a serialized body from which
	// a command is a job.
	longExt, longBody = 4 << 10, 64 << 10
	// byteStep is how many bytes that are read or written count as a step.
	byteStep = 256
)

// job is a command that is being executed. It is also the context of the
// server's verbs: where they look whether to go on, it gives way.
type job struct {
	context.Context
	loop    *innerLoop
	conn    *innerConn
	frame   wire.Frame
	session int // bytes of the session that it changes
	decoder wire.Decoder
	body    []byte // message that is being made
	rows    []byte // of a reply that is being made
	rest    []byte // rows that come behind others
	built   int    // bytes of a reply, so far
	over    bool   // the reply has no room

	// Of a job that can give way.
	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
	left   int  // steps until it does
	busy   bool // it waits for room at the event loops
	dead   bool // nobody wants the rest: it must do nothing more
}

// long tells whether a command may take more than a few steps.
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

// perform executes an authorized connection's command: at once, or as a job.
func (l *innerLoop) perform(c *innerConn, f *wire.Frame) {
	session := l.updated(f)
	if !long(f) && session < longBody {
		l.at.step(1)
		l.obey(c, f)
		return
	}
	j := &job{Context: background, loop: l, conn: c, frame: *f, session: session}
	if len(f.Ext)+len(f.Body) <= readLen { // it may lie in a buffer of the loop
		j.frame.Ext, j.frame.Body = bytes.Clone(f.Ext), bytes.Clone(f.Body)
	}
	j.decoder.Pace = j.passed
	j.resume, j.stop = iter.Pull(func(yield func(struct{}) bool) {
		j.yield = yield
		if j.step(1) {
			l.obey(c, &j.frame)
		}
	})
	c.job = j
	if l.crowded(j) {
		l.jobs = append(l.jobs, j)
		return
	}
	if !l.goOn(j, max(l.steps, leastSteps)) {
		l.jobs = append(l.jobs, j)
		return
	}
	l.ended(j)
}

// updated is how many bytes the session has that an UPDATE_SESSION is merged into:
// that takes as long as the session is, however short the update.
func (l *innerLoop) updated(f *wire.Frame) int {
	if f.Command != wire.UpdateSession {
		return 0
	}
	session, _, _ := l.gateway.SessionBytes(background, l.clientID(f.ConnectionID))
	return len(session)
}

// crowded tells whether a job has to wait until others have ended: what is made
// of their frames takes many times the room of these.
func (l *innerLoop) crowded(j *job) bool {
	size := j.size()
	for _, other := range l.jobs {
		if size += other.size(); size > maxJobBytes {
			return true
		}
	}
	return false
}

// maxJobBytes is how many bytes of frames, and of sessions that they change, are
// taken apart at a time. One job always goes on.
const maxJobBytes = wire.MaxFrame

func (j *job) size() int { return wire.HeaderLen + len(j.frame.Ext) + len(j.frame.Body) + j.session }

// goOn runs a job for some steps and tells whether it has ended.
func (l *innerLoop) goOn(j *job, steps int) bool {
	before := l.at
	l.at, j.left, j.busy = j, steps, false
	_, more := j.resume()
	l.at = before
	return !more
}

// ended gives back what a job held.
func (l *innerLoop) ended(j *job) {
	l.built -= j.built
	c := j.conn
	c.job = nil
	if c.closed {
		return
	}
	c.stopped, c.lastIn = false, l.now()
	l.hold(c)
}

// goOnWithJobs gives each job its part of the turn.
func (l *innerLoop) goOnWithJobs() {
	if len(l.jobs) == 0 {
		return
	}
	part := max(jobSteps/len(l.jobs), 1)
	size, waiting := 0, l.jobs
	l.jobs = nil
	for i, j := range waiting {
		size += j.size()
		switch {
		case j.dead:
			j.stop()
			l.ended(j)
			continue
		case i > 0 && size > maxJobBytes: // see crowded
		case l.goOn(j, part):
			l.ended(j)
			if !j.conn.closed {
				l.readLater(j.conn)
			}
			continue
		}
		l.jobs = append(l.jobs, j)
	}
}

// allBusy tells whether every job waits for the event loops.
func (l *innerLoop) allBusy() bool {
	for _, j := range l.jobs {
		if !j.busy {
			return false
		}
	}
	return true
}

// step counts work and gives way when it is time to. False tells to stop.
func (j *job) step(n int) bool {
	j.loop.steps -= n
	j.loop.count.steps.Add(uint64(n))
	if j.left -= n; j.left <= 0 && j.yield != nil && !j.dead && !j.yield(struct{}{}) {
		j.dead = true
	}
	return !j.dead
}

// passed counts bytes that have been read.
func (j *job) passed(n int) bool { return j.step(1 + n/byteStep) }

// pause gives way until the next turn. False tells to stop.
func (j *job) pause() bool {
	j.left, j.busy = 0, true
	return j.step(0)
}

// Err implements context.Context for the server's verbs, which look at it
// between parts of their work.
func (j *job) Err() error {
	if !j.step(lookSteps) {
		return context.Canceled
	}
	return nil
}

// fits tells whether a reply that has n bytes so far may become longer.
func (j *job) fits(n int) bool {
	l := j.loop
	l.built += n - j.built
	j.built = n
	if l.waiting+l.built > l.cfg.MaxAllReplies {
		j.over = true
	}
	return !j.over && !j.dead
}
