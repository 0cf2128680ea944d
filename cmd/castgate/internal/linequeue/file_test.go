package linequeue

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is the limit for what should happen at once; only a failing test
// waits that long.
const patience = 30 * time.Second

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never: %s", what)
		}
	}
}

func opened(t *testing.T, s *Set, path string) *Writer {
	t.Helper()
	w, err := s.Open(path, patience)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func flushed(t *testing.T, s *Set) {
	t.Helper()
	if !s.Flush(patience) {
		t.Fatal("not flushed")
	}
}

func fifo(t *testing.T) (path string, reader *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return path, reader
}

// A file that ends in the middle of a line, after a full disk or a crash, is
// continued on a new line.
func TestOpenTornFile(t *testing.T) {
	for before, want := range map[string]string{"": "next\n", "whole\n": "whole\nnext\n", "tor": "tor\nnext\n"} {
		path := filepath.Join(t.TempDir(), "log")
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := NewSet()
		q := s.Queue(roomy, told)
		q.Point(opened(t, s, path))
		write(q, "next")
		flushed(t, s)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "the file has", string(got), want)
		q.Point(nil)
	}
}

// A FIFO that nobody reads delays nothing; pointed elsewhere, the queue loses
// no line to it.
func TestFIFOThatNobodyReads(t *testing.T) {
	path, reader := fifo(t)
	s := NewSet()
	q := s.Queue(Limits{Lines: 10_000, Bytes: 1 << 20}, told)
	q.Point(opened(t, s, path))
	line := strings.Repeat("x", 5000) // longer than a pipe writes whole
	const lines = 100
	for range lines {
		write(q, line)
	}
	await(t, "the FIFO is full", func() bool { return q.Waiting() < lines-5 })
	file := filepath.Join(t.TempDir(), "log")
	q.Point(opened(t, s, file))
	flushed(t, s)
	await(t, "the FIFO is left", func() bool { return s.Hanging() == 0 })
	if q.Written() != lines || q.Dropped() != 0 {
		t.Errorf("%d written, %d dropped", q.Written(), q.Dropped())
	}
	inFIFO, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	inFile, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(inFIFO)+string(inFile), line+"\n"); n != lines || strings.Count(string(inFile), line+"\n") < lines/2 {
		t.Errorf("%d lines are there, of them %d in the file", n, strings.Count(string(inFile), line+"\n"))
	}
	q.Point(nil)
}

// A queue that is turned off does not wait for the FIFO forever either.
func TestFIFOThatNobodyReadsIsLeft(t *testing.T) {
	path, _ := fifo(t)
	s := NewSet()
	q := s.Queue(roomy, told)
	q.Point(opened(t, s, path))
	const lines = 100
	for range lines {
		write(q, strings.Repeat("x", 5000))
	}
	q.Point(nil)
	await(t, "the FIFO is left", func() bool { return s.Hanging() == 0 })
	if q.Written()+q.Dropped() != lines || q.Dropped() == 0 {
		t.Errorf("%d written, %d dropped", q.Written(), q.Dropped())
	}
}

// Another process may have made a pipe that we share non-blocking.
func TestPlaceThatIsNotBlocking(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	// As with stderr, Go's poller does not know of the descriptor.
	fd, err := unix.Dup(int(writer.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	foreign := os.NewFile(uintptr(fd), "pipe")
	defer foreign.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	s := NewSet()
	q := s.Queue(roomy, told)
	q.Point(s.Writer(foreign))
	line := strings.Repeat("x", 10_000)
	const lines = 50
	for range lines {
		write(q, line)
	}
	await(t, "the pipe is full", func() bool { return q.Waiting() < lines-2 })
	got := make([]byte, lines*(len(line)+1))
	if _, err := io.ReadFull(reader, got); err != nil {
		t.Fatal(err)
	}
	if string(got) != strings.Repeat(line+"\n", lines) {
		t.Error("what was read is not what was written")
	}
	flushed(t, s)
	if q.Dropped() != 0 {
		t.Errorf("%d dropped", q.Dropped())
	}
	q.Point(nil)
}

// A reader that is gone loses lines, which are counted, and nothing else.
func TestReaderThatHasGone(t *testing.T) {
	path, reader := fifo(t)
	s := NewSet()
	q := s.Queue(roomy, told)
	q.Point(opened(t, s, path))
	reader.Close()
	write(q, numbers(0, 10)...)
	flushed(t, s)
	if q.Dropped() != 10 {
		t.Errorf("%d dropped", q.Dropped())
	}
	if _, err := s.Open(path, patience); !errors.Is(err, syscall.ENXIO) || s.Hanging() != 0 {
		t.Errorf("%v, %d hang", err, s.Hanging())
	}
	q.Point(nil)
}

// However many destinations hang, only a limited number is abandoned.
func TestHangingIsBounded(t *testing.T) {
	s := NewSet()
	q := s.Queue(Limits{Lines: 1000, Bytes: 1 << 20}, told)
	var release []func()
	path := filepath.Join(t.TempDir(), "log")
	for n := 0; ; n++ {
		w, err := s.Open(path, patience)
		if errors.Is(err, ErrManyHang) {
			if n != MostHanging {
				t.Errorf("refused after %d", n)
			}
			break
		}
		if err != nil || n > MostHanging {
			t.Fatal(n, err)
		}
		w.Discard()
		await(t, "it is closed", func() bool { return s.Hanging() == n })
		p := &place{}
		release = append(release, p.hold())
		held := s.Writer(p)
		q.Point(held)
		write(q, "hangs")
		await(t, "it hangs", func() bool { return hangsIn(held) })
		q.Point(nil)
	}
	for _, f := range release {
		f()
	}
	await(t, "all have come back", func() bool { return s.Hanging() == 0 })
	opened(t, s, path).Discard()
}

// A disk on which not even opening a file succeeds delays nothing for longer
// than the limit.
func TestOpeningHangs(t *testing.T) {
	s := NewSet()
	comes := make(chan struct{})
	s.openFile = func(path string, flag int, mode os.FileMode) (*os.File, error) {
		<-comes
		return os.OpenFile(path, flag, mode)
	}
	path := filepath.Join(t.TempDir(), "log")
	for range MostHanging {
		_, err := s.Open(path, time.Millisecond)
		if _, hangs := errors.AsType[*HangsError](err); !hangs {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(path, patience); !errors.Is(err, ErrManyHang) {
		t.Errorf("%v", err)
	}
	close(comes)
	await(t, "all have come back", func() bool { return s.Hanging() == 0 })
	opened(t, s, path).Discard()
}

// hangsIn reports whether a Writer has nothing more to write.
func hangsIn(w *Writer) bool {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	for _, q := range w.set.queues {
		if q.to == w && len(q.lines) > 0 {
			return false
		}
	}
	return w.busy
}

// One file under two names is one destination.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "log"), filepath.Join(dir, "other")
	s := NewSet()
	a := opened(t, s, path)
	if err := os.Symlink(path, other); err != nil {
		t.Fatal(err)
	}
	b, c := opened(t, s, other), opened(t, s, path+".new")
	if !a.Same(b) || !a.Same(a) || a.Same(c) || a.Same(nil) || s.Writer(&place{}).Same(s.Writer(&place{})) {
		t.Error("not told apart, or told apart though it is one file")
	}
	for _, w := range []*Writer{a, b, c} {
		w.Discard()
	}
}
