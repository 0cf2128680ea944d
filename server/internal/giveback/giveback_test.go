package giveback

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"castgate/server/internal/ownprocess"
)

// litter allocates a total of so many bytes of garbage, and returns how many
// collections that took.
func litter(total int) uint64 {
	var m memory
	m.read()
	before := m.cycles
	for range total >> 10 {
		rubbish = make([]byte, 1<<10)
	}
	m.read()
	return m.cycles - before
}

var rubbish []byte

// With the ballast a small heap is collected less often and reported without the
// ballast. A process with a small memory limit does not take it.
func TestBallast(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	runtime.GC()
	without := litter(1 << 30)
	var m memory
	m.read()
	before := m.objects
	m.load()
	if len(m.ballast) != ballastLen {
		t.Fatalf("a ballast of %d bytes", len(m.ballast))
	}
	if m.objects > before+ballastLen/2 {
		t.Errorf("%d bytes of objects, %d before the ballast came", m.objects, before)
	}
	runtime.GC()
	if with := litter(1 << 30); with >= without {
		t.Errorf("%d collections with a ballast, %d without", with, without)
	}
	runtime.GC()
	if m.read(); m.live > ballastLen {
		t.Errorf("%d bytes live, as if the ballast did", m.live)
	}
	runtime.KeepAlive(m.ballast)

	debug.SetMemoryLimit(ballastRoom - 1)
	var small memory
	if small.load(); small.ballast != nil {
		t.Error("a ballast in a process with little room")
	}
}

// The ballast is taken when the collector is busy and dropped in the calm, not in
// the first quiet second.
func TestBallastComesAndGoes(t *testing.T) {
	var m memory
	start := time.Now()
	for i, second := range []struct {
		allocated, cycles uint64
		want              bool
	}{
		{1 << 20, 0, false}, {100 << 20, busyCycles, false}, {100 << 20, busyCycles + 1, true}, {0, 0, true}, {calmAlloc, 1, true},
		{0, 0, true}, {0, 0, true}, {0, 0, true}, {calmAlloc - 1, 1, true}, {0, 0, false}, {calmAlloc, 1, false},
	} {
		m.balance(start.Add(time.Duration(i)*time.Second), second.allocated, second.cycles)
		if (m.ballast != nil) != second.want {
			t.Errorf("second %d: a ballast of %d bytes, want any: %v", i, len(m.ballast), second.want)
		}
	}
}

// Peers that have left count by what they may have held, whether few or many.
func TestHaveLeft(t *testing.T) {
	for _, test := range []struct {
		held        uint64
		most, peers int
		want        bool
	}{
		{6 << 20, 0, 0, false}, {6 << 20, 20, 20, false}, {6 << 20, 28, 20, false}, {6 << 20, 300, 20, true},
		{92 << 20, 250, 20, true}, {92 << 20, 250, 230, false}, {92 << 20, 250, 300, false},
		{400 << 20, 100_000, 99_000, false}, {400 << 20, 100_000, 87_501, false}, {400 << 20, 100_000, 87_499, true},
	} {
		m := memory{objects: test.held}
		if got := m.haveLeft(test.most, test.peers); got != test.want {
			t.Errorf("%d of %d, %d bytes: %v", test.peers, test.most, test.held, got)
		}
	}
}

// What waited for clients counts whoever they were, but at most as much as there
// is.
func TestHaveGone(t *testing.T) {
	for _, test := range []struct {
		held, gone uint64
		want       bool
	}{
		{92 << 20, 0, false}, {92 << 20, leastLeft, false}, {92 << 20, leastLeft + 1, true},
		{3 << 20, 1 << 30, false}, // one message that waited for many
	} {
		m := memory{objects: test.held}
		if got := m.haveGone(test.gone); got != test.want {
			t.Errorf("%d bytes that waited of %d: %v", test.gone, test.held, got)
		}
	}
}

// Memory that was live when the runtime last collected, at the height of a burst,
// is given back, including that of pools. After that there is nothing left to do.
func TestGiveBackAfterABurst(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	const burst = 64 << 20
	var m memory
	m.giveBack(true)
	before := m.held()
	if m.worth() {
		t.Errorf("%+v is worth a collection right after one", m)
	}
	held, pool := make([]byte, burst), sync.Pool{}
	runtime.GC()
	runtime.KeepAlive(held)
	pool.Put(&held)
	held = nil
	m.read()
	if !m.worth() {
		t.Fatalf("%+v is not worth a collection", m)
	}
	m.giveBack(false)
	if m.held() > before+burst/4 || m.worth() {
		t.Errorf("%d bytes held, %d before: %+v", m.held(), before, m)
	}
	// Free memory that was not returned is noticed too.
	held = make([]byte, burst)
	m.giveBack(false) // a lasting burst
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	if m.read(); !m.worth() {
		t.Errorf("%+v is not worth a collection", m)
	}
	runtime.KeepAlive(&pool)
}
