package linequeue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// place is a destination of lines. Its Write waits while it is held and fails
// while full is not nil; then it accepts as many bytes as room says.
type place struct {
	mu   sync.Mutex
	b    bytes.Buffer
	held chan struct{}
	full error
	room int
}

func (p *place) Write(b []byte) (int, error) {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	if held != nil {
		<-held
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full != nil {
		n := min(p.room, len(b))
		p.room -= n
		p.b.Write(b[:n])
		return n, p.full
	}
	return p.b.Write(b)
}

func (p *place) fill(err error, room int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full, p.room = err, room
}

func (p *place) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make(chan struct{})
	p.held = held
	return func() {
		p.mu.Lock()
		p.held = nil
		p.mu.Unlock()
		close(held)
	}
}

func (p *place) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

func told(lost uint64) []byte { return fmt.Appendf(nil, "lost %d\n", lost) }

func write(q *Queue, lines ...string) (refused int) {
	for _, line := range lines {
		if _, err := q.Write([]byte(line + "\n")); err != nil {
			refused++
		}
	}
	return refused
}

func numbers(from, to int) (lines []string) {
	for n := from; n < to; n++ {
		lines = append(lines, fmt.Sprint(n))
	}
	return lines
}

func joined(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

// in runs a test, in which time passes when every goroutine is blocked, with
// one queue to a place.
func in(t *testing.T, l Limits, test func(t *testing.T, s *Set, q *Queue, p *place)) {
	synctest.Test(t, func(t *testing.T) {
		s, p := NewSet(), &place{}
		q := s.Queue(l, told)
		q.Point(s.Writer(p))
		test(t, s, q, p)
		q.Point(nil)
		synctest.Wait()
	})
}

var roomy = Limits{Lines: 1000, Bytes: 1 << 20}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n%.2000q, want\n%.2000q", what, got, want)
	}
}

// Nothing waits for a place that accepts nothing. Lines that find no room are
// counted, and reported in their place, once.
func TestHeldPlace(t *testing.T) {
	in(t, Limits{Lines: 8, Bytes: 1000}, func(t *testing.T, s *Set, q *Queue, p *place) {
		release := p.hold()
		write(q, "0")
		synctest.Wait() // it is being written
		if refused := write(q, numbers(1, 100)...); refused != 91 || q.Dropped() != 91 || q.Waiting() != 9 {
			t.Errorf("%d refused, %d dropped, %d wait", refused, q.Dropped(), q.Waiting())
		}
		if s.Flush(time.Second) {
			t.Error("a place that takes nothing has taken all")
		}
		release()
		if !s.Flush(time.Second) {
			t.Error("not flushed")
		}
		write(q, "100")
		synctest.Wait()
		expect(t, "the place has", p.String(), joined(append(numbers(0, 9), "lost 91", "100")...))
		if q.Written() != 10 || q.Dropped() != 91 {
			t.Errorf("%d written, %d dropped", q.Written(), q.Dropped())
		}
	})
}

// A gap is reported before the line that follows it. While lines come faster
// than they are written there are few gaps, not one before each line.
func TestGapsAreFew(t *testing.T) {
	in(t, Limits{Lines: 8, Bytes: 1000}, func(t *testing.T, s *Set, q *Queue, p *place) {
		written, n := 0, 0
		for range 100 { // ten lines come while one is written
			release := p.hold()
			write(q, numbers(n, n+10)...)
			n += 10
			synctest.Wait()
			release()
			synctest.Wait()
		}
		s.Flush(time.Second)
		lost, gaps := 0, 0
		for line := range strings.Lines(p.String()) {
			var l, at int
			if c, _ := fmt.Sscanf(line, "lost %d", &l); c == 1 {
				lost += l
				gaps++
				continue
			}
			if fmt.Sscanf(line, "%d", &at); at != written+lost {
				t.Fatalf("line %d comes where %d and %d lost are told", at, written, lost)
			}
			written++
		}
		if written+lost != n || uint64(lost) != q.Dropped() || gaps == 0 || gaps > written/3 {
			t.Errorf("%d written, %d lost in %d gaps, %d dropped, of %d", written, lost, gaps, q.Dropped(), n)
		}
	})
}

// Bytes are also bounded, and a line too long for all of the room does not stop
// shorter ones.
func TestBytesAreBounded(t *testing.T) {
	in(t, Limits{Lines: 100, Bytes: 100}, func(t *testing.T, s *Set, q *Queue, p *place) {
		release := p.hold()
		write(q, "0")
		synctest.Wait()
		line := strings.Repeat("x", 39)
		if refused := write(q, strings.Repeat("y", 200), line, line, line); refused != 2 {
			t.Errorf("%d refused", refused)
		}
		release()
		s.Flush(time.Second)
		expect(t, "the place has", p.String(), joined("0", "lost 1", line, line, "lost 1"))
	})
}

// Lines of two queues to the same Writer are written in the order in which they
// were queued; each queue has its own room.
func TestOrderAcrossQueues(t *testing.T) {
	in(t, roomy, func(t *testing.T, s *Set, q *Queue, p *place) {
		other := s.Queue(Limits{Lines: 4, Bytes: 100}, func(n uint64) []byte { return fmt.Appendf(nil, "others lost %d\n", n) })
		other.Point(q.To())
		source := q.Source()
		fmt.Fprintln(source, "0")
		s.Flush(time.Second)
		if source.Written() != 1 || source.Dropped() != 0 {
			t.Errorf("the source has %d written, %d dropped", source.Written(), source.Dropped())
		}
		release := p.hold()
		write(q, "first")
		synctest.Wait()
		write(other, "a")
		write(q, "1")
		write(other, "b", "c", "d")
		write(q, "2")
		if write(other, "e") != 1 || write(q, "3") != 0 {
			t.Error("one queue's room is the other's")
		}
		release()
		s.Flush(time.Second)
		expect(t, "the place has", p.String(), joined("0", "first", "a", "1", "b", "c", "d", "2", "3", "others lost 1"))
		other.Point(nil)
	})
}

var errDisk = errors.New("no space left on device")

// Lines that a place does not accept are lost and counted. The first line after
// them begins on a new line, preceded by their number.
func TestFullPlace(t *testing.T) {
	for room, want := range map[int]string{
		0: joined("whole", "lost 3", "after"),
		1: joined("whole", "l", "lost 3", "after"),
		// The end of the first part takes the newline, and then nothing more.
		5: joined("whole", "lost", "lost 3", "after"),
		6: joined("whole", "lost", "l", "lost 3", "after"),
	} {
		in(t, roomy, func(t *testing.T, s *Set, q *Queue, p *place) {
			write(q, "whole")
			s.Flush(time.Second)
			p.fill(errDisk, min(room, 4))
			write(q, "lost")
			s.Flush(time.Second)
			p.fill(errDisk, max(room-4, 0))
			write(q, "lost", "lost")
			s.Flush(time.Second)
			p.fill(nil, 0)
			write(q, "after")
			s.Flush(time.Second)
			expect(t, fmt.Sprintf("room for %d bytes: the place has", room), p.String(), want)
			if q.Written() != 2 || q.Dropped() != 3 {
				t.Errorf("room for %d bytes: %d written, %d dropped", room, q.Written(), q.Dropped())
			}
		})
	}
}

// Losses are also reported if no line follows the lost ones.
func TestLossIsToldInTheQuiet(t *testing.T) {
	in(t, roomy, func(t *testing.T, s *Set, q *Queue, p *place) {
		p.fill(errDisk, 0)
		write(q, numbers(0, 5)...)
		time.Sleep(time.Hour)
		p.fill(nil, 0)
		time.Sleep(2 * mostPause)
		expect(t, "the place has", p.String(), "lost 5\n")
		time.Sleep(time.Hour)
		expect(t, "an hour later it has", p.String(), "lost 5\n")
	})
}

// A queue that is pointed elsewhere while its place hangs continues there at
// once, with the waiting lines.
func TestPointAwayFromHangingPlace(t *testing.T) {
	in(t, Limits{Lines: 4, Bytes: 1000}, func(t *testing.T, s *Set, q *Queue, p *place) {
		release := p.hold()
		write(q, "hangs")
		synctest.Wait()
		write(q, numbers(0, 10)...)
		var next place
		q.Point(s.Writer(&next))
		s.Flush(time.Second)
		write(q, "next")
		if !s.Flush(time.Second) || s.Hanging() != 1 {
			t.Errorf("not flushed, or %d hang", s.Hanging())
		}
		expect(t, "the next place has", next.String(), joined("0", "1", "2", "3", "lost 6", "next"))
		release()
		synctest.Wait()
		expect(t, "the one that hung has", p.String(), "hangs\n")
		if s.Hanging() != 0 || q.Written() != 6 || q.Dropped() != 6 {
			t.Errorf("%d hang, %d written, %d dropped", s.Hanging(), q.Written(), q.Dropped())
		}
	})
}

// What was written before a queue is turned off is still written.
func TestPointNowhere(t *testing.T) {
	in(t, roomy, func(t *testing.T, s *Set, q *Queue, p *place) {
		release := p.hold()
		write(q, numbers(0, 10)...)
		q.Point(nil)
		if write(q, "nowhere") != 0 || q.Waiting() != 10 {
			t.Errorf("%d wait", q.Waiting())
		}
		release()
		synctest.Wait()
		expect(t, "the place has", p.String(), joined(numbers(0, 10)...))
		if s.Hanging() != 0 || q.Written() != 10 {
			t.Errorf("%d hang, %d written", s.Hanging(), q.Written())
		}
	})
}

// Many goroutines write while the queue moves from place to place: each line is
// somewhere, once, or counted as lost, and those of one goroutine are in order.
func TestManyWriters(t *testing.T) {
	const writers, lines = 8, 2000
	s := NewSet()
	q := s.Queue(Limits{Lines: 64, Bytes: 1 << 20}, told)
	var places []*place
	move := func() {
		p := &place{}
		places = append(places, p)
		q.Point(s.Writer(p))
	}
	move()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range lines {
				fmt.Fprintf(q, "%d %d\n", w, n)
			}
		})
	}
	for range 50 {
		move()
	}
	all.Wait()
	if !s.Flush(30 * time.Second) {
		t.Fatal("not flushed")
	}
	for s.Hanging() > 0 {
		time.Sleep(time.Millisecond)
	}
	seen, lost := 0, 0
	for _, p := range places {
		last := map[int]int{}
		for line := range strings.Lines(p.String()) {
			var w, n int
			if c, _ := fmt.Sscanf(line, "lost %d", &n); c == 1 {
				lost += n
				continue
			}
			if c, _ := fmt.Sscanf(line, "%d %d", &w, &n); c != 2 {
				t.Fatalf("%q", line)
			}
			if before, ok := last[w]; ok && n <= before {
				t.Fatalf("writer %d: %d comes after %d", w, n, before)
			}
			last[w] = n
			seen++
		}
	}
	if seen+lost != writers*lines || uint64(seen) != q.Written() || uint64(lost) != q.Dropped() {
		t.Errorf("%d seen, %d told as lost, %d written, %d dropped", seen, lost, q.Written(), q.Dropped())
	}
	q.Point(nil)
}
