package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/cluster/internal/names"
	"castgate/server/cluster/internal/simnet"
	"castgate/server/internal/clientid"
)

// world is a cluster in virtual time.
type world struct {
	t          testing.TB
	sim        *simnet.Simulation
	net        *simnet.Network
	keys       Keys
	procs      []*proc // that run, by place
	starts     uint64
	faults     faults
	nameFaults names.Faults
	lease      time.Duration
	started    []*proc // all there ever were
	history    history
}

// proc is one process: a node, its clients and its clocks.
type proc struct {
	world  *world
	number uint16
	host   *simnet.Host
	node   *Node
	local  *memory
	offset int64 // of its clock
	ppm    int64 // by how much its clock is fast
	dead   bool
	ticks  func() // does tick again
}

func newWorld(t testing.TB, seed uint64, nodes int) *world {
	return newFaultyWorld(t, seed, nodes, names.Faults{})
}

// newFaultyWorld is newWorld with mistakes in what nodes tell of their names.
func newFaultyWorld(t testing.TB, seed uint64, nodes int, f names.Faults) *world {
	t.Helper()
	keys, err := DeriveKeys("a secret of 16 bytes and more", "test")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, sim: simnet.New(seed), keys: keys, lease: DefaultLease, nameFaults: f}
	w.net = simnet.NewNetwork(w.sim)
	w.history.installs = map[uint64][]install{}
	t.Cleanup(w.sim.End)
	for i := range nodes {
		w.procs = append(w.procs, nil)
		w.start(i)
	}
	return w
}

// start starts the process at a place, which has its number.
func (w *world) start(place int) *proc { return w.startAt(place, []Keys{w.keys}) }

// startWith starts one more process, with keys of its own.
func (w *world) startWith(keys []Keys) *proc {
	w.procs = append(w.procs, nil)
	return w.startAt(len(w.procs)-1, keys)
}

func (w *world) startAt(place int, keys []Keys) *proc {
	w.starts++
	instance := w.sim.Rand.Uint64N(1<<48-1) + 1
	number := uint16(place + 1)
	ids, err := clientid.NewShared(number, keys[0].ClientID, startOf(instance))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &proc{world: w, number: number, host: w.net.Host(number),
		offset: w.sim.Rand.Int64N(int64(time.Hour)), ppm: w.sim.Rand.Int64N(400) - 200}
	watched := newNames(keys[0], w.nameFaults)
	told := false
	watched.wake = func() {
		if !told {
			told = true
			w.sim.After(tellEvery, func() {
				told = false
				if !p.dead && p.host.Running() {
					p.node.mu.Lock()
					p.node.tellNames()
					p.node.mu.Unlock()
				}
			})
		}
	}
	p.local = &memory{ids: ids, clients: map[string]*memoryClient{}, watcher: watched, uses: map[use]int{}, node: number, misses: map[string]uint64{}}
	p.local.delivered = func(c *memoryClient, payload string) { w.history.deliver(w.sim.Now(), c.id, payload) }
	p.local.closed = func(c *memoryClient, code uint16) { w.history.close(w.sim.Now(), c.id, code) }
	config := Config{
		Node: number, Instance: instance, Keys: keys, Lease: w.lease, Local: p.local, Names: watched, Transport: p.host,
		Clock: p.clock, Release: "test",
	}
	if os.Getenv("CASTGATE_SIM_LOG") != "" {
		config.Logger = slog.New(slog.NewTextHandler(simWriter{w}, nil)).With("at", number)
	}
	if p.node, err = New(config); err != nil {
		w.t.Fatal(err)
	}
	skew := int64(place) * int64(5*time.Minute)
	p.node.wall = func() int64 { return 1_000_000_000_000_000_000 + w.sim.Now() + skew }
	p.node.parking = func() (func(context.Context), func()) {
		task := w.sim.Current()
		return func(context.Context) { task.Park() }, task.Wake
	}
	p.node.service.timeout = func(time.Duration) (context.Context, context.CancelFunc) { return context.Background(), func() {} }
	p.node.setLanes(p)
	p.node.faults = w.faults
	p.node.address = fmt.Sprintf("127.0.0.1:%d", 7000+place)
	p.node.watch = func(v message.View) { w.history.install(w.sim.Now(), v) }
	w.procs[place] = p
	w.started = append(w.started, p)
	p.ticks = func() { w.tick(p) }
	w.tick(p)
	return p
}

type simWriter struct{ w *world }

func (s simWriter) Write(b []byte) (int, error) {
	fmt.Fprintf(os.Stderr, "%10.4f %s", time.Duration(s.w.sim.Now()).Seconds(), b)
	return len(b), nil
}

// clock is the process's CLOCK_BOOTTIME.
func (p *proc) clock() int64 {
	now := p.world.sim.Now()
	return p.offset + now + now/1_000_000*p.ppm
}

func (w *world) tick(p *proc) {
	if p.dead {
		return
	}
	if p.host.Running() {
		p.node.Tick()
	}
	w.sim.After(tickEvery, p.ticks)
}

// run, drop and end are those of an executor: what is slow is a task of its own.
func (p *proc) run(_ message.Member, slow bool, _ int, job func()) bool {
	if slow {
		p.world.sim.Go(p.host, job)
	} else {
		p.world.sim.After(0, func() {
			if !p.dead {
				job()
			}
		})
	}
	return true
}

func (p *proc) drop(message.Member) {}
func (p *proc) end()                {}

// crash ends the process at a place; its clients are gone.
func (w *world) crash(place int) {
	p := w.procs[place]
	p.dead = true
	w.net.Crash(p.host)
	for _, c := range p.local.order {
		w.history.close(w.sim.Now(), c.id, 0)
	}
	p.local.order, p.local.clients = nil, map[string]*memoryClient{}
}

// settle lets time pass until all processes are members of one view.
func (w *world) settle(within time.Duration) {
	w.t.Helper()
	end := time.Duration(w.sim.Now()) + within
	for !w.whole() {
		if time.Duration(w.sim.Now()) > end {
			for _, p := range w.procs {
				w.t.Logf("node %v: view %v, epoch %d of %x, dead %v, running %v, up %v, lacks %+v", p.node.self, p.node.view.Members, p.node.view.Epoch, p.node.view.Chain, p.dead, p.host.Running(), p.host.Up(), p.node.lacks(p.clock()))
			}
			w.t.Fatalf("the cluster is not whole after %v", within)
		}
		w.sim.Run(time.Duration(w.sim.Now()) + 10*time.Millisecond)
	}
}

func (w *world) whole() bool {
	first := w.procs[0].node.view
	if first.Chain == 0 || len(first.Members) != len(w.procs) {
		return false
	}
	for _, p := range w.procs {
		if v := p.node.view; v.Chain != first.Chain || v.Epoch != first.Epoch || !p.node.holdsLease() {
			return false
		}
	}
	return true
}

// do runs a function as a task on a process and lets time pass until it is done.
func (w *world) do(p *proc, f func(ctx context.Context)) {
	w.t.Helper()
	done := false
	w.sim.Go(p.host, func() {
		f(context.Background())
		done = true
	})
	for end := w.sim.Now() + int64(time.Minute); !done; {
		if w.sim.Now() > end {
			w.t.Fatal("a call has not ended after a minute")
		}
		w.sim.Run(time.Duration(w.sim.Now()) + time.Millisecond)
	}
}
