package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// payload is what record i of a test holds: it can be told from the number.
func payload(i uint64) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%d,", i)), 1+int(i*7%90))
}

func open(t *testing.T, files Files) (*Store, []Gap) {
	t.Helper()
	s, gaps, err := Open(Options{Files: files, SegmentLen: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s, gaps
}

// add appends n records of which the store tells the numbers.
func add(s *Store, n int) error {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{Kind: 'e', Payload: payload(s.Next() + uint64(i))}
	}
	return s.Append(records)
}

// all reads the log from a number on and checks what each record holds.
func all(t *testing.T, s *Store, from uint64) (numbers []uint64) {
	t.Helper()
	for r := s.NewReader(from); ; {
		rec, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return numbers
		}
		if rec.Kind != 'e' || !bytes.Equal(rec.Payload, payload(rec.Number)) {
			t.Fatalf("record %d holds %q", rec.Number, rec.Payload)
		}
		if n := len(numbers); n > 0 && rec.Number <= numbers[n-1] {
			t.Fatalf("record %d comes after %d", rec.Number, numbers[n-1])
		}
		numbers = append(numbers, rec.Number)
	}
}

// Whatever a loss of power leaves of the writes that were not synced, the log
// opens, has all that was safe, and no gaps; and it goes on from there.
func TestPowerLossLosesNothingThatWasSafe(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 14))
		disk := newUnsafe()
		safe := uint64(0) // the last number that Append has said is safe
		for range 1 + r.IntN(4) {
			s, gaps := open(t, disk)
			if len(gaps) > 0 {
				t.Fatalf("seed %d: gaps %v", seed, gaps)
			}
			numbers := all(t, s, 1)
			if uint64(len(numbers)) < safe || len(numbers) > 0 && numbers[len(numbers)-1] != uint64(len(numbers)) {
				t.Fatalf("seed %d: %d records, last of %v, of which %d were safe", seed, len(numbers), numbers, safe)
			}
			safe = s.Next() - 1
			for range r.IntN(30) {
				if r.IntN(12) == 0 {
					disk.fail = errFull
				}
				err := add(s, 1+r.IntN(40))
				disk.fail = nil
				if err == nil {
					safe = s.Next() - 1
				}
			}
			disk.fail = errFull // the last ones are on their way when the power goes
			if r.IntN(2) == 0 {
				_ = add(s, 1+r.IntN(40))
			}
			disk = disk.crash(r)
		}
	}
}

// A log that is cut at any byte of its last segment opens and has all whole
// records before the cut. A cut head is no torn write: it was whole when the file got its
// name, so what the file held is lost, and that is told.
func TestCutAtAnyByte(t *testing.T) {
	disk := newUnsafe()
	s, _ := open(t, disk)
	for range 6 {
		if err := add(s, 3); err != nil {
			t.Fatal(err)
		}
	}
	name := s.segments[len(s.segments)-1].name
	whole := bytes.Clone(disk.names[name].bytes)
	for cut := range len(whole) + 1 {
		disk.names[name].bytes = bytes.Clone(whole[:cut])
		again, gaps := open(t, disk)
		numbers := all(t, again, 1)
		if want := (Gap{1, 1}); cut < headLen && (len(gaps) != 1 || gaps[0] != want) || cut >= headLen && len(gaps) > 0 {
			t.Fatalf("cut at %d: gaps %v", cut, gaps)
		}
		if err := add(again, 1); err != nil {
			t.Fatal(err)
		}
		if got := all(t, again, 1); len(got) != len(numbers)+1 {
			t.Fatalf("cut at %d: %v after one more than %v", cut, got, numbers)
		}
		for n := range disk.names {
			delete(disk.names, n)
		}
		disk.names[name] = &unsafeFile{dir: disk}
	}
}

// Damage in what was safe once costs the damaged records only, is told, and
// leaves the damaged file for people to look at.
func TestDamageIsToldAndMovedAside(t *testing.T) {
	for _, segment := range []int{0, 1, -1} {
		disk := newUnsafe()
		s, _ := open(t, disk)
		for s.Next() < 200 {
			if err := add(s, 5); err != nil {
				t.Fatal(err)
			}
		}
		if segment < 0 {
			segment = len(s.segments) - 1
		}
		seg := s.segments[segment]
		f := disk.names[seg.name]
		f.bytes[headLen+400] ^= 1
		before := s.Next() - 1
		again, gaps := open(t, disk)
		lost := uint64(0)
		for _, g := range gaps {
			lost += g.Count
		}
		if lost == 0 || lost > 5 {
			t.Errorf("segment %d: gaps %v", segment, gaps)
		}
		if n := uint64(len(all(t, again, 1))); n != before-lost {
			t.Errorf("segment %d: %d records of %d are left and %d lost", segment, n, before, lost)
		}
		aside := 0
		for name := range disk.names {
			if strings.HasPrefix(name, damagedPrefix) {
				aside++
			}
		}
		if aside != 1 {
			t.Errorf("segment %d: %d files were moved aside", segment, aside)
		}
		_, gaps = open(t, disk)
		if len(gaps) != 0 && segment < len(s.segments)-1 {
			t.Errorf("segment %d: told again: %v", segment, gaps)
		}
	}
}

// What a full disk refuses may be tried again, and nothing is there twice.
func TestFullDisk(t *testing.T) {
	disk := newUnsafe()
	s, _ := open(t, disk)
	disk.room = 3000
	var err error
	for err == nil {
		err = add(s, 4)
	}
	before := s.Next()
	for range 3 {
		if err := add(s, 4); !errors.Is(err, errFull) {
			t.Fatalf("a full disk is answered %v", err)
		}
	}
	disk.room = -1
	if err := add(s, 4); err != nil {
		t.Fatal(err)
	}
	if got := all(t, s, 1); uint64(len(got)) != before+3 {
		t.Errorf("%d records, want %d", len(got), before+3)
	}
	if again, gaps := open(t, disk); len(gaps) > 0 || uint64(len(all(t, again, 1))) != before+3 {
		t.Errorf("after a start: gaps %v", gaps)
	}
}

// Readers that are behind go on with what is left when the oldest is dropped.
func TestReaderBehindDroppedSegments(t *testing.T) {
	dir, err := OpenDirectory(filepath.Join(t.TempDir(), "events"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, dir)
	for s.Next() < 500 {
		if err := add(s, 5); err != nil {
			t.Fatal(err)
		}
	}
	r := s.NewReader(1)
	if rec, ok, err := r.Next(); err != nil || !ok || rec.Number != 1 {
		t.Fatal(rec.Number, ok, err)
	}
	size := s.Size()
	for range 2 {
		oldest, ok := s.Oldest()
		if !ok {
			t.Fatal("there is one segment only")
		}
		if err := s.DropOldest(); err != nil {
			t.Fatal(err)
		}
		if size -= oldest.Size; s.Size() != size || s.First() != oldest.End {
			t.Errorf("%d bytes from %d on, want %d from %d", s.Size(), s.First(), size, oldest.End)
		}
	}
	last := uint64(1)
	for {
		rec, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		last = rec.Number
	}
	if last != s.Next()-1 {
		t.Errorf("the last record read is %d, want %d", last, s.Next()-1)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A reader that waits at the end is told of more, and finds it by number.
func TestSeekAndGrown(t *testing.T) {
	s, _ := open(t, NewMemory())
	grown := s.Grown()
	if err := add(s, 300); err != nil {
		t.Fatal(err)
	}
	<-grown
	r := s.NewReader(1)
	for _, n := range []uint64{300, 1, 150, 299, 2} {
		r.Seek(n)
		if rec, ok, err := r.Next(); err != nil || !ok || rec.Number != n {
			t.Errorf("%d: %d %v %v", n, rec.Number, ok, err)
		}
	}
	if r.Seek(301); r.Number() != 301 {
		t.Error(r.Number())
	}
	if _, ok, _ := r.Next(); ok {
		t.Error("there is a record beyond the end")
	}
	if from, size := s.SizeFrom(1), s.Size(); from != size-headLen && from != size {
		t.Errorf("%d of %d bytes from the first on", from, size)
	}
	if s.SizeFrom(301) != 0 {
		t.Error(s.SizeFrom(301))
	}
}

func TestDirectoryHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	first, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenDirectory(path)
	if want := fmt.Sprintf("%s is in use by process %d", path, os.Getpid()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
	if _, err := OpenDirectory(filepath.Join(path, "no", "parent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a parent: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDirectory(file); err == nil {
		t.Error("a file is taken for a directory")
	}
}

// A newer program's log is not touched.
func TestOtherVersion(t *testing.T) {
	disk := newUnsafe()
	s, _ := open(t, disk)
	if err := add(s, 1); err != nil {
		t.Fatal(err)
	}
	head := disk.names[s.segments[0].name].bytes[:headLen]
	head[8] = 2
	sum := crc32.Update(crc32.Checksum(head[8:12], castagnoli), castagnoli, head[16:])
	binary.LittleEndian.PutUint32(head[12:], sum)
	if _, _, err := Open(Options{Files: disk, SegmentLen: 8 << 10}); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Error(err)
	}
}
