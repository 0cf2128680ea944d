package linequeue

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MostHanging is how many hanging writers and opens are abandoned before no
// further file is opened: each keeps a thread.
const MostHanging = 8

// ErrManyHang is the error of a file that is not opened because of MostHanging.
var ErrManyHang = fmt.Errorf("%d earlier log files still hang; no further file is opened", MostHanging)

// Open opens a file for appending lines, creates it for its owner only if it
// does not exist, and starts a Writer for it. It waits for the system for at
// most most. A FIFO needs a reader. If the file ends in the middle of a line,
// the first line starts a new one.
func (s *Set) Open(path string, most time.Duration) (*Writer, error) {
	s.mu.Lock()
	if s.hanging >= MostHanging {
		s.mu.Unlock()
		return nil, ErrManyHang
	}
	s.hanging++ // until it has returned
	s.mu.Unlock()
	type outcome struct {
		w   *Writer
		err error
	}
	opened, givenUp := make(chan outcome), make(chan struct{})
	go func() {
		w, err := s.open(path)
		s.mu.Lock()
		s.hanging--
		s.mu.Unlock()
		select {
		case opened <- outcome{w, err}:
		case <-givenUp:
			if err == nil {
				_ = w.place.(file).Close()
			}
		}
	}()
	patience := time.NewTimer(most)
	defer patience.Stop()
	select {
	case o := <-opened:
		if o.err != nil {
			return nil, o.err
		}
		return o.w.start(), nil
	case <-patience.C:
		close(givenUp)
		return nil, &HangsError{Path: path, Waited: most}
	}
}

// open does what may hang.
func (s *Set) open(path string) (*Writer, error) {
	// Without O_NONBLOCK, opening a FIFO without a reader would block. With it,
	// a write to one can be abandoned.
	f, err := s.openFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{set: s, place: file{f}, ours: true}
	if w.info, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w.torn = w.info.Mode().IsRegular() && endsTorn(path, w.info.Size())
	return w, nil
}

// HangsError says that a file could not be opened in time.
type HangsError struct {
	Path   string
	Waited time.Duration
}

func (e *HangsError) Error() string {
	return fmt.Sprintf("opening %s took longer than %v", e.Path, e.Waited)
}

// endsTorn reports whether a file of this size ends in the middle of a line, if
// it is readable.
func endsTorn(path string, length int64) bool {
	reader, err := os.Open(path)
	if err != nil {
		return false
	}
	defer reader.Close()
	last := make([]byte, 1)
	n, _ := reader.ReadAt(last, length-1)
	return n == 1 && last[0] != '\n'
}

// file is a destination whose Write waits while the file is temporarily full.
// File status flags are shared by all who have the file open: another process
// may have made a file, such as a terminal, non-blocking.
type file struct{ *os.File }

func (f file) Write(b []byte) (n int, err error) {
	for {
		m, err := f.File.Write(b[n:])
		n += max(m, 0)
		if !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := f.awaitRoom(); err != nil {
			return n, err
		}
	}
}

func (f file) awaitRoom() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, err = unix.Poll(p, -1); errors.Is(err, unix.EINTR) {
			err = nil
		}
	})
	return errors.Join(ctlErr, err)
}
