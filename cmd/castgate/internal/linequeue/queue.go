// Package linequeue keeps programs from waiting for the readers of their logs:
// a terminal, a pipe, a disk.
//
// A Queue takes whole lines and never blocks. A Writer is the goroutine of one
// destination, and the only one that waits for it. Lines that find no room, or
// that the destination does not accept, are dropped and counted, and as soon as
// there is room again one line reports how many they were.
package linequeue

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Set is the queues of one process. Lines of several queues that go to the same
// Writer keep the order in which they were queued.
type Set struct {
	mu      sync.Mutex
	last    uint64 // number of the line that was queued last
	queues  []*Queue
	hanging int           // writers and opens that were abandoned and have not returned
	rested  chan struct{} // signals Flush that a Writer has become idle
	// openFile is os.OpenFile; tests replace it.
	openFile func(path string, flag int, mode os.FileMode) (*os.File, error)
}

// NewSet returns a Set without queues.
func NewSet() *Set { return &Set{rested: make(chan struct{}, 1), openFile: os.OpenFile} }

// Limits limit what may wait in a Queue.
type Limits struct{ Lines, Bytes int }

// Queue is the waiting lines of one log. Its methods may be called from any
// goroutine and never block.
type Queue struct {
	set    *Set
	limits Limits
	told   func(lost uint64) []byte

	// Guarded by set.mu.
	to      *Writer // nil: lines are discarded
	lines   []entry
	bytes   int
	full    bool   // no line is accepted until half of the room is free
	dropped uint64 // after the last of lines
	failed  uint64 // removed from lines but not written, since the last written line
	writing int    // removed from lines by writers that have not returned

	writtenLines, droppedLines atomic.Uint64
}

// entry is a line that waits.
type entry struct {
	number uint64 // in the Set
	text   []byte // empty: only reports lost lines
	from   *Source
	lost   uint64 // how many lines were dropped just before it
}

// ErrFull is the error of a line that found no room.
var ErrFull = errors.New("linequeue: no room for a line")

// Queue adds a queue. Its lines are discarded until it is pointed to a Writer.
// told makes the line that reports how many were lost; it must not write to a
// queue of the Set.
func (s *Set) Queue(l Limits, told func(lost uint64) []byte) *Queue {
	q := &Queue{set: s, limits: l, told: told}
	s.mu.Lock()
	s.queues = append(s.queues, q)
	s.mu.Unlock()
	return q
}

// Write queues a copy of one line, which ends with a newline. The error is
// ErrFull.
func (q *Queue) Write(line []byte) (int, error) { return q.add(line, nil) }

// Source is one of a Queue's producers, with counts of its own.
type Source struct {
	queue            *Queue
	written, dropped atomic.Uint64
}

// Source adds a producer to the queue. What it writes also counts for the
// queue.
func (q *Queue) Source() *Source { return &Source{queue: q} }

// Write is Queue.Write.
func (s *Source) Write(line []byte) (int, error) { return s.queue.add(line, s) }

// Written is how many of its lines have been written, and Dropped how many were
// lost, since the start.
func (s *Source) Written() uint64 { return s.written.Load() }

// Dropped is described at Written.
func (s *Source) Dropped() uint64 { return s.dropped.Load() }

func (q *Queue) countWritten(from *Source) {
	q.writtenLines.Add(1)
	if from != nil {
		from.written.Add(1)
	}
}

func (q *Queue) countDropped(from *Source) {
	q.droppedLines.Add(1)
	if from != nil {
		from.dropped.Add(1)
	}
}

func (q *Queue) add(line []byte, from *Source) (int, error) {
	s := q.set
	s.mu.Lock()
	if q.to == nil {
		s.mu.Unlock()
		return len(line), nil
	}
	if q.full = !q.hasRoom(len(line)); q.full {
		q.dropped++
		q.countDropped(from)
		s.mu.Unlock()
		return 0, ErrFull
	}
	s.last++
	q.lines = append(q.lines, entry{number: s.last, text: bytes.Clone(line), lost: q.dropped, from: from})
	q.bytes += len(line)
	q.dropped = 0
	w := q.to
	s.mu.Unlock()
	w.ring()
	return len(line), nil
}

// hasRoom reports whether a line of n bytes is accepted. After a refusal, half
// of the room must become free first: so a gap is reported once, and not before
// every line that just fits.
func (q *Queue) hasRoom(n int) bool {
	lines, size := q.limits.Lines, q.limits.Bytes
	if q.full && (len(q.lines) > lines/2 || q.bytes > size/2) {
		return false
	}
	return len(q.lines) < lines && q.bytes+n <= size
}

// Written is how many lines have been written since the start.
func (q *Queue) Written() uint64 { return q.writtenLines.Load() }

// Dropped is how many lines were lost since the start, because there was no
// room or the destination did not accept them.
func (q *Queue) Dropped() uint64 { return q.droppedLines.Load() }

// Waiting is how many accepted lines are neither written nor lost yet.
func (q *Queue) Waiting() int {
	q.set.mu.Lock()
	defer q.set.mu.Unlock()
	return len(q.lines) + q.writing
}

// To is the Writer that the queue points to, nil for none.
func (q *Queue) To() *Writer {
	q.set.mu.Lock()
	defer q.set.mu.Unlock()
	return q.to
}

// Point sends waiting and future lines to w; nil discards future lines and
// leaves waiting ones to the previous Writer. A Writer that no queue points to
// ends and closes its destination as soon as it can; nothing waits for it.
func (q *Queue) Point(w *Writer) {
	s := q.set
	s.mu.Lock()
	old := q.to
	q.to = w
	retired := old != nil && old != w && !s.pointedTo(old)
	if retired {
		old.retired = true
		s.hanging++
	}
	if w == nil && old != nil {
		old.rest = append(old.rest, legacy{q, q.lines})
		q.writing += len(q.lines)
		q.lines, q.bytes, q.full = nil, 0, false
	}
	s.mu.Unlock()
	if retired {
		patience := time.Duration(0) // what it cannot write goes to w
		if w == nil {
			patience = restPatience
		}
		old.hurry(patience)
	}
	for _, one := range []*Writer{old, w} {
		if one != nil {
			one.ring()
		}
	}
}

func (s *Set) pointedTo(w *Writer) bool {
	for _, q := range s.queues {
		if q.to == w {
			return true
		}
	}
	return false
}

// Hanging is how many writers and opens were abandoned because they hang, and
// have not returned.
func (s *Set) Hanging() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hanging
}

// pop removes the first line. The caller holds set.mu.
func (q *Queue) pop() entry {
	e := q.lines[0]
	q.lines[0] = entry{}
	if q.lines = q.lines[1:]; len(q.lines) == 0 {
		q.lines = nil // a burst may have made it large
	}
	q.bytes -= len(e.text)
	q.writing++
	return e
}

// Flush waits until everything queued is written or lost, but at most for most.
// It reports whether that is so. It may be called by one goroutine at a time.
func (s *Set) Flush(most time.Duration) bool {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	for !s.settled() {
		select {
		case <-s.rested:
		case <-deadline.C:
			return s.settled()
		}
	}
	return true
}

func (s *Set) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if q.to != nil && (q.to.busy || len(q.lines) > 0 || q.dropped > 0) {
			return false
		}
	}
	return true
}
