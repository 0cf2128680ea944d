package pemfile

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how often files are checked for changes.
const Interval = 10 * time.Second

// Source says how to load a value from files.
type Source[T any] struct {
	Files []string
	Load  func() (*T, error)
}

// Watched is a value that is loaded from files, and reloaded when they change. If a
// reload fails, the value stays. Call Set first; after that any goroutine may call
// its methods.
type Watched[T any] struct {
	log   *slog.Logger
	every time.Duration // time between checks
	now   atomic.Pointer[T]

	reloads, failures atomic.Uint64

	mu     sync.Mutex // serialises loads
	source Source[T]  // guarded by mu
	seen   []mark     // state of the files at the last check; guarded by mu
}

// NewWatched returns a Watched that logs its reloads.
func NewWatched[T any](log *slog.Logger) *Watched[T] {
	return &Watched[T]{log: log, every: Interval}
}

// Now returns the value of the last successful load, nil before Set.
func (w *Watched[T]) Now() *T { return w.now.Load() }

// Counts returns the number of successful and of failed reloads.
func (w *Watched[T]) Counts() (reloads, failures uint64) {
	return w.reloads.Load(), w.failures.Load()
}

// Set loads from other files, or reloads the same ones. If it fails, nothing
// changes. undo restores the previous value.
func (w *Watched[T]) Set(s Source[T]) (undo func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	source, seen, now := w.source, w.seen, w.now.Load()
	if err := w.load(s, marks(s.Files)); err != nil {
		return nil, err
	}
	w.source = s
	return func() {
		w.mu.Lock()
		w.source, w.seen = source, seen
		w.now.Store(now)
		w.mu.Unlock()
	}, nil
}

// load loads the value from the files of a source. The caller holds mu.
func (w *Watched[T]) load(s Source[T], m []mark) error {
	first := w.now.Load() == nil
	made, err := s.Load()
	switch {
	case len(s.Files) == 0: // no files, nothing to log
	case err != nil && !first:
		w.failures.Add(1)
		w.log.Warn("could not reload certificates; keeping the previous ones", "err", err)
	case err == nil && !first:
		w.reloads.Add(1)
		w.log.Info("certificates reloaded", "files", s.Files)
	}
	if err == nil {
		w.now.Store(made)
	}
	if err == nil || slices.Equal(s.Files, w.source.Files) {
		w.seen = m // this change has been reported
	}
	return err
}

// Look reloads the files if one has changed since the last check. It tries once for
// each change, so a broken file is one line in the log.
func (w *Watched[T]) Look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := marks(w.source.Files)
	for i := range now {
		if !now[i].equal(w.seen[i]) {
			_ = w.load(w.source, now)
			return
		}
	}
}

// Watch calls Look every Interval until quiet is closed.
func (w *Watched[T]) Watch(quiet <-chan struct{}) {
	t := time.NewTicker(w.every)
	defer t.Stop()
	for {
		select {
		case <-quiet:
			return
		case <-t.C:
			w.Look()
		}
	}
}

// mark is the state of a file. It differs after every change of the file.
type mark struct {
	size  int64
	time  time.Time
	other os.FileInfo // for its inode, see os.SameFile
}

func marks(files []string) []mark {
	all := make([]mark, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			all[i] = mark{info.Size(), info.ModTime(), info}
		}
	}
	return all
}

func (m mark) equal(o mark) bool {
	if m.other == nil || o.other == nil {
		return m.other == nil && o.other == nil
	}
	return m.size == o.size && m.time.Equal(o.time) && os.SameFile(m.other, o.other)
}
