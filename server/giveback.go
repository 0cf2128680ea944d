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

const (
	giveBackEvery = time.Second
	// giveBackLeast is the waste worth a collection.
	giveBackLeast = 1 << 20
	// giveBackRest is the least time between two collections of ours.
	giveBackRest = 5 * time.Second
	// quietAlloc is how many bytes a second may be allocated in the quiet.
	quietAlloc = 1 << 20
)

// giveBack runs until done is closed.
func (s *Server) giveBack(done <-chan struct{}) {
	t := time.NewTicker(giveBackEvery)
	defer t.Stop()
	m := memory{}
	m.read()
	var last time.Time
	for {
		select {
		case <-done:
			return
		case now := <-t.C:
			before := m.allocated
			m.read()
			quiet := m.allocated-before < quietAlloc
			if quiet && m.waste() > max(giveBackLeast, m.live/8) && now.Sub(last) >= giveBackRest {
				debug.FreeOSMemory()
				m.read()
				m.idle = m.held()
				last = time.Now()
			}
		}
	}
}

// memory is a reading of the Go heap, in bytes.
type memory struct {
	allocated, live, objects, free, unused uint64
	idle                                   uint64 // held after the last giving back
}

func (m *memory) read() {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(samples)
	m.allocated = samples[0].Value.Uint64()
	m.live = samples[1].Value.Uint64()
	m.objects = samples[2].Value.Uint64()
	m.free = samples[3].Value.Uint64()
	m.unused = samples[4].Value.Uint64()
}

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
