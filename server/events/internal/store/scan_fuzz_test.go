package store

import (
	"testing"
	"time"
)

// Whatever stands in a segment, the log opens, gives only records whose checksums
// are right, in order, and goes on behind them.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, tail []byte) {
		disk := newUnsafe()
		head := appendHead(nil, 1, time.Unix(1, 0))
		head = appendRecord(head, &Record{Number: 1, Kind: 'e', Payload: []byte("first")}, 1)
		disk.names[segmentName(1)] = &unsafeFile{dir: disk, bytes: append(head, tail...)}
		s, _, err := Open(Options{Files: disk, SegmentLen: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		read := func() (n int, last uint64) {
			for r := s.NewReader(1); ; n++ {
				rec, ok, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					return n, last
				}
				if rec.Number <= last {
					t.Fatalf("%d comes after %d", rec.Number, last)
				}
				last = rec.Number
			}
		}
		before, last := read()
		if before < 1 || s.Next() <= last {
			t.Fatalf("%d records up to %d, the next is %d", before, last, s.Next())
		}
		if err := s.Append([]Record{{Kind: 'e', Payload: []byte("more")}}); err != nil {
			t.Fatal(err)
		}
		if after, _ := read(); after != before+1 {
			t.Fatalf("%d records after one more than %d", after, before)
		}
	})
}
