package server

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector lets the heap grow to twice what lives before it looks again,
// and an idle gateway gives it no reason to look: after a storm of connections
// or a burst of large pushes, the garbage would stay for minutes. giveBack
// watches for the quiet after a burst and returns the memory to the system.
//
// The other way round, where little lives, a burst of TLS handshakes or of
// connections has the collector look 60 times a second, and each time all loops
// stop until the kernel has let every thread come to a halt. Then giveBack holds
// a ballast: memory that nobody touches, so that it costs none, but counts as
// alive.

const (
	giveBackEvery = time.Second
	// giveBackLeast is the waste worth a collection.
	giveBackLeast = 1 << 20
	// giveBackLeft is how many clients must have left to be worth one, whatever
	// the heap says: what they had is waste that nobody has counted yet.
	giveBackLeft = 256
	// giveBackRest is the least time between two collections of ours.
	giveBackRest = 5 * time.Second
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

// giveBack runs until done is closed.
func (s *Server) giveBack(done <-chan struct{}) {
	t := time.NewTicker(giveBackEvery)
	defer t.Stop()
	m := memory{}
	m.read()
	var last time.Time
	most := 0 // sockets since last
	for {
		select {
		case <-done:
			return
		case now := <-t.C:
			before, cycles := m.allocated, m.cycles
			m.read()
			quiet := m.allocated-before < quietAlloc
			sockets := int(s.sockets.Load())
			most = max(most, sockets)
			m.balance(now, m.allocated-before, m.cycles-cycles)
			if quiet && now.Sub(last) >= giveBackRest && (m.worth() || haveLeft(most, sockets)) {
				debug.FreeOSMemory()
				m.read()
				m.idle = m.held()
				last, most = time.Now(), sockets
			}
		}
	}
}

// haveLeft tells whether so many clients have left that it is worth a
// collection.
func haveLeft(most, sockets int) bool { return most-sockets > max(giveBackLeft, most/8) }

// memory is a reading of the Go heap, in bytes.
type memory struct {
	allocated, live, objects, free, unused uint64 // without the ballast
	cycles                                 uint64 // of the collector
	idle                                   uint64 // held after the last giving back
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

// worth tells whether there is more waste than a collection costs.
func (m *memory) worth() bool { return m.waste() > max(giveBackLeast, m.live/8) }

// held is what the heap keeps from the system.
func (m *memory) held() uint64 { return m.objects + m.free + m.unused }

// waste is what a collection might give back: what came since the last one,
// and free memory that has not been returned.
func (m *memory) waste() uint64 {
	waste := m.free
	if m.objects > m.live {
		waste += m.objects - m.live
	}
	if grown := m.held(); m.idle > 0 && grown < m.idle+giveBackLeast {
		return 0
	}
	return waste
}
