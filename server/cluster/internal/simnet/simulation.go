package simnet

import (
	"container/heap"
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
	heap.Push(&s.events, event{at: s.now + max(int64(d), 0), order: s.made, do: do})
}

// Run lets time pass until a moment.
func (s *Simulation) Run(until time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= int64(until) {
		e := heap.Pop(&s.events).(event)
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
	s.tasks, s.events, s.current = nil, nil, nil
}

// Between is a random time from least to most.
func (s *Simulation) Between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.Rand.Int64N(int64(most-least)+1))
}

// Task is something that takes time: a coroutine that stops in Park.
type Task struct {
	sim    *Simulation
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	parked bool
	host   *Host
}

// Go starts a task on a host, at this moment. host may be nil.
func (s *Simulation) Go(host *Host, do func()) {
	t := &Task{sim: s, host: host}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			if p := recover(); p != nil && p != errEnded {
				panic(p)
			}
		}()
		do()
	})
	s.tasks[t] = struct{}{}
	s.schedule(t)
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
	_, more := t.next()
	s.current = before
	if !more {
		delete(s.tasks, t)
	}
}

type event struct {
	at    int64
	order uint64
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
