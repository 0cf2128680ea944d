// Package giveback returns the memory of a burst to the system once the burst is
// over.
//
// The collector lets the heap grow to twice the live size before it runs again, and
// an idle gateway gives it no reason to run. After a storm of connections or a
// burst of large pushes, the garbage would stay for minutes. Run waits for the
// quiet after a burst and returns the memory to the system.
//
// The opposite problem: if little is alive, a burst of TLS handshakes or of
// connections makes the collector run 60 times a second, and each time all loops
// stop until the kernel has stopped every thread. Then Run holds a ballast: memory
// that nobody uses but that counts as live. It costs no physical memory, except
// where Go had used the memory before and so must clear it.
package giveback

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	every = time.Second
	// leastWaste is the amount of waste that justifies a collection.
	leastWaste = 1 << 20
	// leastLeft is how much memory the peers that have left must have held to
	// justify a collection, assuming that all peers held the same: waste that
	// nobody has counted yet.
	leastLeft = 4 << 20
	// pause is the minimum time between two of our collections.
	pause = 5 * time.Second
	// quietAlloc is the allocation rate in bytes per second below which it is
	// quiet.
	quietAlloc = 1 << 20
	// busyCycles is the number of collections per second that is too many: more than
	// there are with the ballast, see ballastLen.
	busyCycles = 8
	// calmAlloc is the allocation rate in bytes per second at which, after
	// calmTime, the collector needs no ballast: without one it runs four times a second
	// then, since the smallest heap is 4 MiB. While the ballast stayed until
	// nothing went on, churn of 200 connections a second held 30 MB for nothing (2a59403).
	calmAlloc = 16 << 20
	calmTime  = 5 * time.Second
	// ballastLen is by how many bytes the heap may grow between two collections in
	// addition to what is live. BenchmarkBallast counts the collections of a second with
	// 3,000 TLS handshakes: 26 to 42 without a ballast, 7 to 11 with 6 MiB, 5 to 6 with
	// 12 MiB and 4 to 5 with 24 MiB (two runs, Go 1.26, 2 cores AMD EPYC, beside other work).
	// With 24 MiB the process held 60 MB right after a burst, more than the stress
	// scenarios allow (53fc770).
	ballastLen = 12 << 20
	// ballastRoom is the smallest memory limit (GOMEMLIMIT) with which there is a
	// ballast, since the ballast counts against the limit.
	ballastRoom = 16 * ballastLen
)

// Load is how bursts are recognised.
type Load struct {
	Sockets int    // of clients
	Queued  uint64 // bytes waiting for clients
}

// Run gives memory back until done is closed. It calls load once a second.
func Run(done <-chan struct{}, load func() Load) {
	began := time.Now() // times are relative to it, on the monotonic clock
	t := time.NewTicker(every)
	defer t.Stop()
	m := memory{}
	m.read()
	var last time.Time
	most := 0               // peers since last
	mostQueued := uint64(0) // bytes waiting for clients since last
	for {
		select {
		case <-done:
			return
		case <-t.C:
			now, before, cycles := began.Add(time.Since(began)), m.allocated, m.cycles
			m.read()
			l := load()
			quiet := m.allocated-before < quietAlloc
			// Each caller of the control port has a goroutine.
			peers := l.Sockets + runtime.NumGoroutine()
			most = max(most, peers)
			m.balance(now, m.allocated-before, m.cycles-cycles)
			mostQueued = max(mostQueued, l.Queued)
			left := m.haveLeft(most, peers) || m.haveGone(mostQueued-l.Queued)
			if quiet && now.Sub(last) >= pause && (left || m.worth()) {
				m.giveBack(left)
				last, most, mostQueued = began.Add(time.Since(began)), peers, l.Queued
			}
		}
	}
}

// giveBack collects garbage, and once more if memory allocated since the last time
// is still there, or peers have left: the content of a sync.Pool, such as request
// bodies, survives the first collection.
func (m *memory) giveBack(left bool) {
	idle := m.idle
	m.collect()
	if left || m.held() > idle+leastWaste {
		m.collect()
	}
}

func (m *memory) collect() {
	debug.FreeOSMemory()
	m.read()
	m.idle, m.idleFree = m.held(), m.free
}

// memory is a reading of the Go heap, in bytes.
type memory struct {
	allocated, live, objects, free, unused uint64 // without the ballast
	cycles                                 uint64 // of the collector
	idle, idleFree                         uint64 // held, and free of that, after memory was last given back
	ballast                                []byte
	busy                                   time.Time // when a lot was last allocated
}

// balance takes or drops the ballast after a second with so many bytes allocated
// and so many collections.
func (m *memory) balance(now time.Time, allocated, cycles uint64) {
	if allocated >= calmAlloc {
		m.busy = now
	}
	switch {
	case cycles > busyCycles:
		m.load()
	case now.Sub(m.busy) >= calmTime:
		m.ballast = nil
	}
}

// load takes the ballast.
func (m *memory) load() {
	if m.ballast == nil && debug.SetMemoryLimit(-1) >= ballastRoom {
		m.ballast = make([]byte, ballastLen)
		m.read()
	}
}

func (m *memory) read() {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	m.allocated = samples[0].Value.Uint64()
	m.live = samples[1].Value.Uint64()
	m.objects = samples[2].Value.Uint64()
	m.free = samples[3].Value.Uint64()
	m.unused = samples[4].Value.Uint64()
	m.cycles = samples[5].Value.Uint64()
	n := uint64(len(m.ballast))
	m.objects -= min(n, m.objects)
	m.live -= min(n, m.live) // not counted before the next collection
}

// worth reports whether a collection may return more than it costs: free memory
// that was not returned, or growth of the heap since our last collection. Only a
// collection can tell how much of that is alive; the runtime's own may have run at
// the height of the burst.
func (m *memory) worth() bool {
	least := max(leastWaste, m.live/8)
	return m.free > m.idleFree+least || m.held() > m.idle+least
}

// haveLeft reports whether enough peers have left to justify a collection.
func (m *memory) haveLeft(most, peers int) bool {
	left := most - peers
	return left > most/8 && m.held()/uint64(most)*uint64(left) > leastLeft
}

// haveGone reports whether n bytes that no longer wait for clients justify a
// collection: a few slow clients may have held most of the memory.
func (m *memory) haveGone(n uint64) bool { return min(n, m.held()) > leastLeft }

// held is the memory that the heap keeps from the system.
func (m *memory) held() uint64 { return m.objects + m.free + m.unused }
