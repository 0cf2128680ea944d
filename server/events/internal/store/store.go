// Package store keeps a log of numbered records that outlives a crash.
//
// Append returns when its records are safe: neither the end of the process nor a
// loss of power takes them away. Readers see safe records only. So whatever is
// lost, nobody has acted on it.
//
// The log is cut into segments, files of some megabytes; the oldest is dropped
// whole. Each record has a checksum. What a crash has left of a record that was
// being written is cut off at the next Open. A segment that was damaged later is
// moved aside, and what is whole of it is kept.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options are what Open is told.
type Options struct {
	Files Files
	// SegmentLen is from how many bytes on a new segment is begun.
	SegmentLen int64
	// Log gets what was found damaged; nil discards it.
	Log *slog.Logger
	// Now is the time; nil is that of the system.
	Now func() time.Time
}

// Store is a log. Append, Rotate, DropOldest and Close are for one goroutine at a
// time, the other methods for any.
type Store struct {
	files      Files
	segmentLen int64
	log        *slog.Logger
	now        func() time.Time

	// The writer's.
	buf    []byte
	broken bool // the last segment could not be written; a new one comes next

	mu       sync.RWMutex
	segments []*segment // ascending; the last one is written to
	next     uint64     // one above the last safe record
	size     int64      // of all segments
	grown    chan struct{}
}

// Next is the number that the next record will have. The first ever is 1.
func (s *Store) Next() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.next
}

// First is the lowest number that may still be read; Next if there is none.
func (s *Store) First() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.segments) == 0 {
		return s.next
	}
	return s.segments[0].first
}

// Size is how many bytes the segments have.
func (s *Store) Size() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// Segments is how many segments there are.
func (s *Store) Segments() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.segments)
}

// SizeFrom is how many bytes there are from a record on, to within 64 KiB.
func (s *Store) SizeFrom(number uint64) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := int64(0)
	for _, seg := range slices.Backward(s.segments) {
		if number <= seg.first {
			n += seg.size
			continue
		}
		if number < seg.end {
			n += seg.size - seg.before(number).offset
		}
		break
	}
	return n
}

// KeptFor is how many bytes the segments have that cannot be dropped without a record
// from number on: they are dropped only whole.
func (s *Store) KeptFor(number uint64) (n int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, seg := range slices.Backward(s.segments) {
		if seg.end <= number {
			break
		}
		n += seg.size
	}
	return n
}

// Grown returns a channel that is closed when more can be read than now.
func (s *Store) Grown() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.grown
}

// Segment is what Oldest tells of a segment.
type Segment struct {
	First, End uint64    // its records have the numbers First to End-1
	Size       int64     // in bytes
	Last       time.Time // when its last record was appended
}

// Oldest returns the oldest segment. ok is false where there is only the one
// that is written to.
func (s *Store) Oldest() (oldest Segment, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.segments) < 2 {
		return Segment{}, false
	}
	seg := s.segments[0]
	return Segment{First: seg.first, End: s.segments[1].first, Size: seg.size, Last: seg.last}, true
}

// Append writes records, whose numbers it sets, and makes them safe. After an
// error none of them is in the log, and it may be tried again.
func (s *Store) Append(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	seg, err := s.writable()
	if err != nil {
		return err
	}
	since, size := s.next, seg.size
	var index []place
	s.buf = s.buf[:0]
	for i := range records {
		r := &records[i]
		if len(r.Payload) > MaxPayload {
			return fmt.Errorf("a record of %d bytes is longer than %d", len(r.Payload), MaxPayload)
		}
		r.Number = since + uint64(i)
		at := size + int64(len(s.buf))
		if at-seg.lastPlace(index).offset >= indexStep {
			index = append(index, place{r.Number, at})
		}
		s.buf = appendRecord(s.buf, r, since)
	}
	if _, err := seg.file.WriteAt(s.buf, size); err != nil {
		return s.failed(seg, err)
	}
	if err := seg.file.Sync(); err != nil {
		return s.failed(seg, err)
	}
	s.mu.Lock()
	seg.end = since + uint64(len(records))
	seg.size += int64(len(s.buf))
	seg.index = append(seg.index, index...)
	seg.last = s.now()
	s.size += int64(len(s.buf))
	s.next = seg.end
	close(s.grown)
	s.grown = make(chan struct{})
	s.mu.Unlock()
	if cap(s.buf) > keepBuf {
		s.buf = nil
	}
	return nil
}

// Rest gives the buffer of Append back, in the quiet. It is for who appends.
func (s *Store) Rest() { s.buf = nil }

// keepBuf is the largest buffer that is kept for the next Append.
const keepBuf = 4 << 20

// failed leaves a segment whose end is not known: after a failed write or sync
// the kernel may have forgotten bytes that it says it has.
func (s *Store) failed(seg *segment, err error) error {
	s.broken = true
	_ = seg.file.Truncate(seg.size) // what stays is cut off when it is read again
	return err
}

// writable returns the segment to append to.
func (s *Store) writable() (*segment, error) {
	if n := len(s.segments); n > 0 && !s.broken && s.segments[n-1].size < s.segmentLen {
		return s.segments[n-1], nil
	}
	return s.begin()
}

// Rotate begins a new segment, so that all before can be dropped. It does nothing
// where the last one is empty.
func (s *Store) Rotate() error {
	if n := len(s.segments); n > 0 && !s.broken && s.segments[n-1].end == s.segments[n-1].first {
		return nil
	}
	_, err := s.begin()
	return err
}

// begunName is the name of a segment until it has its head.
const begunName = "begun.tmp"

// begin makes a new segment.
func (s *Store) begin() (*segment, error) {
	if n := len(s.segments); n > 0 && s.segments[n-1].end == s.segments[n-1].first {
		if err := s.drop(n - 1); err != nil { // it would have the same name
			return nil, err
		}
	}
	now := s.now()
	seg := &segment{name: segmentName(s.next), first: s.next, end: s.next, size: headLen, created: now, last: now}
	_ = s.files.Remove(begunName) // of a process before
	f, err := s.files.Create(begunName)
	if err != nil {
		return nil, err
	}
	seg.file = f
	_, err = f.WriteAt(appendHead(nil, seg.first, now), 0)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Close()
		return nil, errors.Join(err, s.files.Remove(begunName))
	}
	// Only now: so a file of this name whose head is not whole has lost it.
	if err = s.files.Rename(begunName, seg.name); err == nil {
		err = s.files.Sync()
	}
	if err != nil {
		_ = f.Close()
		return nil, errors.Join(err, s.files.Remove(seg.name))
	}
	s.broken = false
	s.mu.Lock()
	s.segments = append(s.segments, seg)
	s.size += seg.size
	s.mu.Unlock()
	return seg, nil
}

// DropOldest removes the oldest segment. It is an error to drop the only one.
func (s *Store) DropOldest() error {
	if len(s.segments) < 2 {
		return errors.New("the only segment is the one being written")
	}
	return s.drop(0)
}

func (s *Store) drop(i int) error {
	seg := s.segments[i]
	if err := s.files.Remove(seg.name); err != nil {
		return err
	}
	s.mu.Lock()
	s.segments = slices.Delete(s.segments, i, i+1)
	s.size -= seg.size
	s.mu.Unlock()
	return seg.file.Close() // readers turn to the next one
}

// Close gives up the files. Readers must have ended.
func (s *Store) Close() error {
	var errs []error
	for _, seg := range s.segments {
		errs = append(errs, seg.file.Close())
	}
	return errors.Join(append(errs, s.files.Close())...)
}

// before returns the last place of the index that is not behind a record.
func (seg *segment) before(number uint64) place {
	i, found := slices.BinarySearchFunc(seg.index, number, func(p place, n uint64) int {
		switch {
		case p.number < n:
			return -1
		case p.number > n:
			return 1
		}
		return 0
	})
	if found {
		return seg.index[i]
	}
	if i == 0 {
		return place{seg.first, headLen}
	}
	return seg.index[i-1]
}

// lastPlace is the last one of the index with some that are to come.
func (seg *segment) lastPlace(more []place) place {
	if n := len(more); n > 0 {
		return more[n-1]
	}
	if n := len(seg.index); n > 0 {
		return seg.index[n-1]
	}
	return place{seg.first, headLen}
}
