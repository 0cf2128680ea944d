package linequeue

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// restPatience is how long an abandoned Writer may take for the lines left
	// to it.
	restPatience = time.Second
	// leastPause and mostPause bound the time between two attempts to report
	// lost lines while no other line comes.
	leastPause = time.Second
	mostPause  = time.Minute
)

// Writer writes the lines of the queues that point to it to one destination,
// one after another, on a goroutine of its own.
type Writer struct {
	set   *Set
	place io.Writer
	info  os.FileInfo   // of a file, otherwise nil
	ours  bool          // it was opened here and is closed at the end
	wake  chan struct{} // capacity 1
	pause time.Duration // before lost lines are reported again

	// Guarded by set.mu.
	retired bool // no queue points to this Writer
	busy    bool
	rest    []legacy // of queues that no longer point anywhere

	// torn says that the last write wrote only part of a line.
	torn bool
}

// legacy is what a queue has left to a Writer.
type legacy struct {
	queue *Queue
	lines []entry
}

// Writer starts a Writer for a destination that is already open and stays open.
// It may be an *os.File in any mode: if it cannot be written to at the moment
// (EAGAIN), the Writer waits.
func (s *Set) Writer(place io.Writer) *Writer {
	w := &Writer{set: s, place: place}
	if f, ok := place.(*os.File); ok {
		w.place = file{f}
		w.info, _ = f.Stat()
	}
	return w.start()
}

func (w *Writer) start() *Writer {
	w.wake, w.pause = make(chan struct{}, 1), leastPause
	go w.run()
	return w
}

// Same reports whether two Writers write to the same file, pipe or terminal.
func (w *Writer) Same(v *Writer) bool {
	return v != nil && (w == v || w.info != nil && v.info != nil && os.SameFile(w.info, v.info))
}

// Discard ends a Writer that no queue has pointed to.
func (w *Writer) Discard() {
	w.set.mu.Lock()
	w.retired = true
	w.set.hanging++
	w.set.mu.Unlock()
	w.ring()
}

// ring wakes the goroutine.
func (w *Writer) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// hurry lets a waiting write end after patience, if the system supports it.
func (w *Writer) hurry(patience time.Duration) {
	if f, ok := w.place.(file); ok {
		_ = f.SetWriteDeadline(time.Now().Add(patience))
	}
}

func (w *Writer) run() {
	retry := time.NewTimer(mostPause)
	retry.Stop()
	for again := false; ; {
		q, e, ended := w.next(again)
		again = false
		switch {
		case ended:
			if c, ok := w.place.(io.Closer); ok && w.ours {
				_ = c.Close()
			}
			w.set.mu.Lock()
			w.set.hanging--
			w.set.mu.Unlock()
			return
		case q != nil:
			w.write(q, e)
			continue
		}
		if w.owes() {
			retry.Reset(w.pause)
			w.pause = min(2*w.pause, mostPause)
		}
		select {
		case <-w.wake:
			retry.Stop()
		case <-retry.C:
			again = true
		}
	}
}

// next removes the next line and returns it with its queue; first is nil if
// there is none. With again, the entry may only report lines that were not
// written before.
func (w *Writer) next(again bool) (first *Queue, e entry, ended bool) {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	w.busy = true
	if q, e := w.inherited(); q != nil {
		return q, e, false
	}
	if w.retired {
		return nil, e, true
	}
	for _, q := range s.queues {
		if q.to == w && len(q.lines) > 0 && (first == nil || q.lines[0].number < first.lines[0].number) {
			first = q
		}
	}
	if first != nil {
		return first, first.pop(), false
	}
	for _, q := range s.queues {
		if q.to == w && (q.dropped > 0 || again && q.failed > 0) {
			e.lost, q.dropped = q.dropped, 0
			return q, e, false
		}
	}
	w.busy = false
	select {
	case s.rested <- struct{}{}:
	default:
	}
	return nil, e, false
}

// inherited removes the next line of a queue that no longer points anywhere.
func (w *Writer) inherited() (*Queue, entry) {
	for len(w.rest) > 0 {
		l := &w.rest[0]
		if len(l.lines) > 0 {
			e := l.lines[0]
			l.lines = l.lines[1:]
			return l.queue, e
		}
		w.rest = w.rest[1:]
	}
	return nil, entry{}
}

// owes reports whether lines were lost here that have not been reported yet.
func (w *Writer) owes() bool {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	for _, q := range w.set.queues {
		if q.to == w && q.failed > 0 {
			return true
		}
	}
	return false
}

// write writes a line, after one that reports how many were lost before it, if
// any were.
func (w *Writer) write(q *Queue, e entry) {
	w.set.mu.Lock()
	q.failed += e.lost
	lost := q.failed
	w.set.mu.Unlock()
	var err error
	if lost > 0 {
		if err = w.put(q.told(lost)); err == nil {
			w.set.mu.Lock()
			q.failed -= lost
			w.set.mu.Unlock()
			w.pause = leastPause
		}
	}
	if len(e.text) == 0 {
		return
	}
	defer func() {
		w.set.mu.Lock()
		q.writing--
		w.set.mu.Unlock()
	}()
	if err == nil {
		err = w.put(e.text)
	}
	switch {
	case err == nil:
		q.countWritten(e.from)
	case w.handedOn(q, e, err):
	default:
		w.set.mu.Lock()
		q.failed++
		w.set.mu.Unlock()
		q.countDropped(e.from)
	}
}

// handedOn returns a line that a Writer was not to wait for any longer to its
// queue, which points to another Writer.
func (w *Writer) handedOn(q *Queue, e entry, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	if q.to == nil || q.to == w {
		return false
	}
	e.lost = 0 // that was reported already, or is in failed
	q.lines = append([]entry{e}, q.lines...)
	q.bytes += len(e.text)
	q.to.ring()
	return true
}

// put writes one line on a line of its own: after a partly written line it
// begins with a newline.
func (w *Writer) put(line []byte) error {
	if w.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := w.place.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if n > 0 {
		w.torn = line[n-1] != '\n'
	}
	return err
}
