package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
)

// written is a log of some segments: what its files hold, and where each record is.
type written struct {
	files map[string][]byte
	names []string // ascending
	first []uint64 // number of the first record of each, and one above the last of all
}

const (
	batch      = 4 // how many records each Append of writeLog has
	segmentLen = 1536
)

func writeLog(t *testing.T) *written {
	t.Helper()
	disk := newUnsafe()
	s, _, err := Open(Options{Files: disk, SegmentLen: segmentLen})
	if err != nil {
		t.Fatal(err)
	}
	for len(s.segments) < 3 || s.segments[2].size < segmentLen*2/3 {
		if err := add(s, batch); err != nil {
			t.Fatal(err)
		}
	}
	w := &written{files: map[string][]byte{}}
	for _, seg := range s.segments {
		w.names, w.first = append(w.names, seg.name), append(w.first, seg.first)
		w.files[seg.name] = bytes.Clone(disk.names[seg.name].bytes)
	}
	w.first = append(w.first, s.Next())
	return w
}

// at is the number of the record that has a byte of a file; 0 is its head.
func (w *written) at(t *testing.T, segment, offset int) uint64 {
	t.Helper()
	b := w.files[w.names[segment]]
	for at := headLen; at <= offset; {
		p, _, err := parseRecord(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		if at += p.length; at > offset {
			return p.Number
		}
	}
	return 0
}

// disk has the files, but one of them is changed; nil is removed.
func (w *written) disk(segment int, to []byte) *unsafe {
	disk := newUnsafe()
	for i, name := range w.names {
		b := bytes.Clone(w.files[name])
		if i == segment {
			b = to
		}
		if b != nil {
			disk.names[name] = &unsafeFile{dir: disk, bytes: b}
		}
	}
	return disk
}

// reopened opens a log, checks that what it tells to be lost, kept and said adds up,
// and that it goes on and says it once only. It returns how many records are lost,
// and the numbers of the others.
func (w *written) reopened(t *testing.T, disk *unsafe, what string) (lost uint64, numbers []uint64) {
	t.Helper()
	var said strings.Builder
	options := Options{Files: disk, SegmentLen: segmentLen, Log: slog.New(slog.NewTextHandler(&said, nil))}
	s, gaps, err := Open(options)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, g := range gaps {
		lost += g.Count
	}
	numbers = all(t, s, 1)
	aside := 0
	for name := range maps.Keys(disk.names) {
		if strings.HasPrefix(name, damagedPrefix) {
			aside++
		}
	}
	if lost > 0 && (aside != 1 || strings.Count(said.String(), "the event log is damaged") != 1) {
		t.Fatalf("%s: %d records are lost, %d files moved aside, said %q", what, lost, aside, said.String())
	}
	if err := add(s, 1); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	again, gaps, err := Open(options)
	if err != nil || len(gaps) > 0 {
		t.Fatalf("%s: told again: %v, %v", what, gaps, err)
	}
	if got := all(t, again, 1); !slices.Equal(got[:len(got)-1], numbers) {
		t.Fatalf("%s: %v after one more than %v", what, got, numbers)
	}
	return lost, numbers
}

// without are the numbers of a log but those from one up to another.
func (w *written) without(from, to uint64) (numbers []uint64) {
	for n := uint64(1); n < w.first[len(w.first)-1]; n++ {
		if n < from || n >= to {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// One damaged byte, wherever it is, costs the record that it is in, and this is told. In a
// head it costs nothing. Only in the last Append of all it can't be told from what a
// crash has torn.
func TestEveryDamagedByte(t *testing.T) {
	w := writeLog(t)
	next := w.first[len(w.first)-1]
	for segment, name := range w.names {
		for offset := range w.files[name] {
			b := bytes.Clone(w.files[name])
			b[offset] ^= []byte{0x01, 0xff, 0x80}[offset%3]
			what := fmt.Sprintf("segment %d, byte %d", segment, offset)
			lost, numbers := w.reopened(t, w.disk(segment, b), what)
			n := w.at(t, segment, offset)
			wantLost, want := uint64(1), w.without(n, n+1)
			switch {
			case n == 0:
				wantLost = 0
			case n >= next-batch:
				wantLost, want = 0, w.without(n, next)
			}
			if lost != wantLost || !slices.Equal(numbers, want) {
				t.Fatalf("%s: %d records are told to be lost, want %d; %v are left", what, lost, wantLost, numbers)
			}
		}
	}
}

// A file that is cut keeps what stands before the cut. What others prove was there is
// told, to a record; of the last file it is told only if it has lost its head.
func TestEveryCut(t *testing.T) {
	w := writeLog(t)
	last := len(w.names) - 1
	for segment, name := range w.names {
		for cut := range w.files[name] {
			what := fmt.Sprintf("segment %d cut at %d", segment, cut)
			lost, numbers := w.reopened(t, w.disk(segment, bytes.Clone(w.files[name][:cut])), what)
			n := max(w.at(t, segment, cut), w.first[segment])
			wantLost := w.first[segment+1] - n
			if segment == last {
				if wantLost = 0; cut < headLen {
					wantLost = 1 // nobody knows how many
				}
			}
			if want := w.without(n, w.first[segment+1]); lost != wantLost || !slices.Equal(numbers, want) {
				t.Fatalf("%s: %d records are told to be lost, want %d; %v are left", what, lost, wantLost, numbers)
			}
		}
	}
}

// A file of which nothing is left, or that is gone, is told: how many records it had is
// known by the next one. Of the last file it is not known.
func TestLostFile(t *testing.T) {
	w := writeLog(t)
	for segment, name := range w.names {
		for what, to := range map[string][]byte{
			"zeros": make([]byte, len(w.files[name])), "nothing": {}, "noise": bytes.Repeat([]byte{0xa7}, 5000), "gone": nil,
		} {
			what := fmt.Sprintf("segment %d is %s", segment, what)
			end := w.first[segment+1]
			wantLost := end - w.first[segment]
			switch {
			case to == nil && (segment == 0 || segment == len(w.names)-1):
				continue // as if it had been dropped, or never begun
			case segment == len(w.names)-1:
				wantLost = 1
			}
			lost, numbers := w.reopened(t, w.disk(segment, to), what)
			if want := w.without(w.first[segment], end); lost != wantLost || !slices.Equal(numbers, want) {
				t.Errorf("%s: %d records are told to be lost, want %d; %v are left", what, lost, wantLost, numbers)
			}
		}
	}
}

// A file whose head and first records are gone, as a sector of the disk is, keeps the rest.
func TestLostSector(t *testing.T) {
	w := writeLog(t)
	for segment, name := range w.names {
		b := bytes.Clone(w.files[name])
		clear(b[:sector])
		lost, numbers := w.reopened(t, w.disk(segment, b), name)
		n := w.at(t, segment, sector) // the first that is not whole, or the first that is
		if at := w.at(t, segment, sector-1); at == n {
			n++
		}
		if want := w.without(w.first[segment], n); lost != n-w.first[segment] || !slices.Equal(numbers, want) {
			t.Errorf("segment %d: %d records are told to be lost; %v are left", segment, lost, numbers)
		}
	}
}
