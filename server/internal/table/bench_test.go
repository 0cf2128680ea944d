package table

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
)

func benchTable(names, members int) *Table {
	t := New(2)
	for i := range names {
		t.Add("name "+strconv.Itoa(i), MakeHandle(0, uint32(i), 1))
	}
	for i := range members {
		t.Add("group", MakeHandle(uint8(i%2), uint32(i/2), 1))
	}
	return t
}

// A connection that comes and goes has a name of its own and joins a shared one.
func BenchmarkAddRemove(b *testing.B) {
	for _, name := range []string{"own", "group"} {
		b.Run(name, func(b *testing.B) {
			t := benchTable(100_000, 100_000)
			var workers atomic.Uint32
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				w := workers.Add(1)
				var buf []byte
				for i := uint32(0); pb.Next(); i++ {
					h := MakeHandle(0, i%MaxSlots, 1+w)
					key := name
					if name == "own" {
						buf = strconv.AppendUint(buf[:0], uint64(w)<<32|uint64(i), 16)
						key = string(buf)
					}
					e, _ := t.Add(key, h)
					t.Remove(e, h)
				}
			})
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, members := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			t := benchTable(100_000, members)
			b.ReportAllocs()
			for b.Loop() {
				t.Snapshot("group")
			}
		})
	}
}

func BenchmarkContains(b *testing.B) {
	s := benchTable(0, 1_000_000).Snapshot("group")
	i := uint32(0)
	for b.Loop() {
		s.Contains(MakeHandle(0, i%500_000, 1))
		i++
	}
}

// Iteration over a million members by both loops, per member.
func BenchmarkIter(b *testing.B) {
	const members = 1_000_000
	s := benchTable(0, members).Snapshot("group")
	var buf [256]Handle
	b.ReportAllocs()
	for b.Loop() {
		for loop := range 2 {
			for it := s.Iter(loop); it.Next(buf[:]) > 0; {
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/member")
}

// A join and a leave, with a snapshot before every so many of them.
func BenchmarkJoinDuringSnapshots(b *testing.B) {
	for _, members := range []int{1000, 1_000_000} {
		for _, every := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("%d/%d", members, every), func(b *testing.B) {
				t := benchTable(0, members)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if i++; i%every == 0 {
						t.Snapshot("group")
					}
					h := MakeHandle(0, uint32(i)%MaxSlots, 2)
					e, _ := t.Add("group", h)
					t.Remove(e, h)
				}
			})
		}
	}
}

func BenchmarkPage(b *testing.B) {
	t := benchTable(1_000_000, 0)
	cursor := ""
	b.ReportAllocs()
	for b.Loop() {
		_, _, cursor, _ = t.Page(cursor, 100)
	}
}
