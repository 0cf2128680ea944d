package table

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
)

// BenchmarkContention runs each operation on all processors at once, on one group
// of 100,000 members or spread over many groups.
func BenchmarkContention(b *testing.B) {
	const members = 100_000
	for _, groups := range []int{1, 10_000} {
		names := make([]string, groups)
		for i := range names {
			names[i] = "group-" + strconv.Itoa(i)
		}
		t := New(2)
		for i := range members {
			t.Add(names[i%groups], MakeHandle(uint8(i%2), uint32(i/2), 1))
		}
		for _, op := range []struct {
			name string
			run  func(name string, h Handle)
		}{
			{"add+remove", func(name string, h Handle) {
				e, _ := t.Add(name, h)
				t.Remove(e, h)
			}},
			{"snapshot", func(name string, _ Handle) { t.Snapshot(name) }},
			{"lookup", func(name string, _ Handle) { t.Lookup(name) }},
			{"count", func(name string, _ Handle) { t.Count(name) }},
			// One snapshot for a hundred joins and leaves. The figure includes what
			// they copy because of it.
			{"mixed", func(name string, h Handle) {
				e, _ := t.Add(name, h)
				t.Remove(e, h)
				if h.Slot()%100 == 0 {
					t.Snapshot(name)
				}
			}},
		} {
			b.Run(fmt.Sprintf("op=%s/groups=%d", op.name, groups), func(b *testing.B) {
				var workers atomic.Uint32
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					w := workers.Add(1)
					for i := uint32(0); pb.Next(); i++ {
						// The step is prime, so that workers do not follow each
						// other.
						op.run(names[int(w*7919*i)%groups], MakeHandle(0, i%MaxSlots, 1+w))
					}
				})
			})
		}
	}
}
