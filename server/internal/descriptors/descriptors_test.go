package descriptors

import (
	"sync"
	"testing"
)

// A descriptor has the slot that it was last given, until it is cleared; one above the
// limit has none.
func TestTable(t *testing.T) {
	table := New(3 * fdPageLen)
	for _, fd := range []int{0, 1, fdPageLen - 1, fdPageLen, 3 * fdPageLen} {
		if _, ok := table.Get(fd); ok {
			t.Errorf("%d has a slot before it was given one", fd)
		}
		for _, slot := range []uint32{0, 7, 1<<24 - 1} {
			if !table.Set(fd, slot) {
				t.Fatalf("no room for %d", fd)
			}
			if got, ok := table.Get(fd); !ok || got != slot {
				t.Errorf("%d has slot %d, %v, want %d", fd, got, ok, slot)
			}
		}
		table.Clear(fd)
		if _, ok := table.Get(fd); ok {
			t.Errorf("%d still has a slot", fd)
		}
	}
	const above = 4 * fdPageLen
	table.Clear(above)
	if _, ok := table.Get(above); ok || table.Set(above, 1) {
		t.Error("a descriptor above the limit was given a slot")
	}
}

// Several loops may need a page at the same moment.
func TestPagesAtOnce(t *testing.T) {
	table := New(fdPageLen)
	var wg sync.WaitGroup
	for fd := range 64 {
		wg.Go(func() { table.Set(fd, uint32(fd)) })
	}
	wg.Wait()
	for fd := range 64 {
		if slot, ok := table.Get(fd); !ok || slot != uint32(fd) {
			t.Errorf("%d has slot %d, %v", fd, slot, ok)
		}
	}
}
