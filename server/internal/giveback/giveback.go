// Package giveback returns the memory of a burst to the system once it is over.
//
// The collector lets the heap grow to twice what lives before it looks again,
// and an idle gateway gives it no reason to look: after a storm of connections
// or a burst of large pushes, the garbage would stay for minutes. Run watches for
// the quiet after a burst and returns the memory to the system.
//
// The other way round, where little lives, a burst of TLS handshakes or of
// connections has the collector look 60 times a second, and each time all loops
// stop until the kernel has let every thread come to a halt. Then Run holds a
// ballast: memory that nobody uses, but that counts as alive. It costs none but
// where Go had used it before, and so has to clear it.
package giveback

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	every = time.Second
	// leastWaste is the waste worth a collection.
	leastWaste = 1 << 20
	// leastLeft is how much those who have left must have held to be worth
	// one, taking it that each held the same: waste that nobody has counted yet.
	leastLeft = 4 << 20
	// rest is the least time between two collections of ours.
	rest = 5 * time.Second
	// quietAlloc is how many bytes a second may be allocated in the quiet.
	quietAlloc = 1 << 20
	// busyCycles is how many collections a second are too many.
	busyCycles = 8
	// calmAlloc is with how many bytes a second, for calmTime, the collector
	// needs no ballast.
	calmAlloc = 16 << 20
	calmTime  = 5 * time.Second
	// ballastLen is by how many bytes the heap may grow between two of them
	// beside what lives.
	ballastLen = 12 << 20
	// ballastRoom is the least memory limit (GOMEMLIMIT) with which there is a
	// ballast: to that it counts as if it were used.
	ballastRoom = 16 * ballastLen
)

// Load is what bursts are told by.
type Load struct {
	Sockets int    // of clients
	Queued  uint64 // bytes that wait for clients
}

// Run gives memory back until done is closed. load is asked once a second.
func Run(done <-chan struct{}, load func() Load) {
	began := time.Now() // since it, time is the monotonic clock's, wherever the wall clock is
	t := time.NewTicker(every)
	defer t.Stop()
	m := memory{}
	m.read()
	var last time.Time
	most := 0               // peers since last
	mostQueued := uint64(0) // bytes that waited for clients since last
	for {
		select {
		case <-done:
			return
		case <-t.C:
			now, before, cycles := began.Add(time.Since(began)), m.allocated, m.cycles
			m.read()
			l := load()
			quiet := m.allocated-before < quietAlloc
			// A caller of the control port has a goroutine.
			peers := l.Sockets + runtime.NumGoroutine()
			most = max(most, peers)
			m.balance(now, m.allocated-before, m.cycles-cycles)
			mostQueued = max(mostQueued, l.Queued)
			left := m.haveLeft(most, peers) || m.haveGone(mostQueued-l.Queued)
			if quiet && now.Sub(last) >= rest && (left || m.worth()) {
				m.giveBack(left)
				last, most, mostQueued = began.Add(time.Since(began)), peers, l.Queued
			}
		}
	}
}

// giveBack collects, and once more if what has come since the last time is
// still there, or peers have left: what lies in a sync.Pool, such as the bodies
// of requests, outlives the first.
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
	idle, idleFree                         uint64 // held, and free of that, after the last giving back
	ballast                                []byte
	busy                                   time.Time // when much was last allocated
}

// balance takes the ballast on board or drops it, after a second in which so
// many bytes were allocated and so many collections made.
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

// load takes the ballast on board.
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
	m.live -= min(n, m.live) // not yet counted before the next collection
}

// worth tells whether a collection may give back more than it costs: memory
// that is free and not returned, or what the heap has grown by since the last
// one of ours. What of that is alive only a collection can tell; the runtime's
// own may have come at the height of the burst.
func (m *memory) worth() bool {
	least := max(leastWaste, m.live/8)
	return m.free > m.idleFree+least || m.held() > m.idle+least
}

// haveLeft tells whether of so many peers so many have left that it is worth
// one.
func (m *memory) haveLeft(most, peers int) bool {
	left := most - peers
	return left > most/8 && m.held()/uint64(most)*uint64(left) > leastLeft
}

// haveGone tells whether so many bytes that waited for clients, and do so no more,
// are worth one: a few clients that read slowly may have held most of what there is.
func (m *memory) haveGone(n uint64) bool { return min(n, m.held()) > leastLeft }

// held is what the heap keeps from the system.
func (m *memory) held() uint64 { return m.objects + m.free + m.unused }
