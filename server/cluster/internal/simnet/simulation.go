package simnet

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Simulation is a virtual time and what happens in it.
type Simulation struct {
	Rand *rand.Rand

	now     int64
	events  events
	made    uint64
	current *Task
	tasks   map[*Task]struct{}
	idle    []*Task // that have ended
}

// New returns a simulation that begins at time 0.
func New(seed uint64) *Simulation {
	return &Simulation{Rand: rand.New(rand.NewPCG(seed, 0x5eed)), tasks: map[*Task]struct{}{}}
}

// Now is the virtual time in nanoseconds.
func (s *Simulation) Now() int64 { return s.now }

// After has do called once so much time has passed.
func (s *Simulation) After(d time.Duration, do func()) {
	s.made++
	s.events.push(event{at: s.now + max(int64(d), 0), order: s.made, do: do})
}

// Run lets time pass until a moment.
func (s *Simulation) Run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= int64(until) {
		e := s.events.pop()
		s.now = e.at
		e.do()
	}
	s.now = int64(until)
}

// End ends the tasks that still wait, and forgets everything. Nothing may run any
// more.
func (s *Simulation) End() {
	for t := range s.tasks {
		t.stop()
	}
	for _, t := range s.idle {
		t.stop()
	}
	s.tasks, s.events, s.idle, s.current = nil, nil, nil, nil
}

// Between is a random time from least to most.
func (s *Simulation) Between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.Rand.Int64N(int64(most-least)+1))
}

// Task is something that takes time: a coroutine that stops in Park. One that has
// ended serves the next Go, as a stack that has grown is worth keeping.
type Task struct {
	sim    *Simulation
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	parked bool
	ended  bool
	host   *Host
	do     func()
}

// Go starts a task on a host, at this moment. host may be nil.
func (s *Simulation) Go(host *Host, do func()) {
	var t *Task
	if last := len(s.idle) - 1; last >= 0 {
		t, s.idle = s.idle[last], s.idle[:last]
	} else {
		t = &Task{sim: s}
		t.next, t.stop = iter.Pull(t.run)
	}
	t.host, t.do, t.ended, t.parked = host, do, false, false
	s.tasks[t] = struct{}{}
	s.schedule(t)
}

// run carries out what Go is told, one after the other, until End.
func (t *Task) run(yield func(struct{}) bool) {
	t.yield = yield
	defer func() {
		if p := recover(); p != nil && p != errEnded {
			panic(p)
		}
	}()
	for more := true; more; more = yield(struct{}{}) {
		t.do()
		t.do, t.ended = nil, true
	}
}

// Current is the task that runs, nil outside of any.
func (s *Simulation) Current() *Task { return s.current }

// errEnded unwinds a task that End ends.
var errEnded = new(int)

// Park stops the running task until Wake.
func (t *Task) Park() {
	t.parked = true
	if !t.yield(struct{}{}) {
		panic(errEnded)
	}
}

// Wake lets a task that has parked go on. It does nothing for one that runs.
func (t *Task) Wake() {
	if t.parked {
		t.parked = false
		t.sim.schedule(t)
	}
}

// Sleep parks the running task for a time.
func (t *Task) Sleep(d time.Duration) {
	t.sim.After(d, t.Wake)
	t.Park()
}

func (s *Simulation) schedule(t *Task) {
	s.After(0, func() { s.step(t) })
}

func (s *Simulation) step(t *Task) {
	if t.host != nil && !t.host.ready(func() { s.step(t) }) {
		return
	}
	before := s.current
	s.current = t
	t.next()
	s.current = before
	if t.ended {
		delete(s.tasks, t)
		s.idle = append(s.idle, t)
	}
}
