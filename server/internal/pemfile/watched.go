package pemfile

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how often files are looked at for a change.
const Interval = 10 * time.Second

// Source is how something is made of files.
type Source[T any] struct {
	Files []string
	Load  func() (*T, error)
}

// Watched is something that is made of files, and made anew when they change.
// What is wrong with them then changes nothing. Set comes before all else; then
// any goroutine may call its methods.
type Watched[T any] struct {
	log   *slog.Logger
	every time.Duration // between looks
	now   atomic.Pointer[T]

	reloads, failures atomic.Uint64

	mu     sync.Mutex // one load at a time
	source Source[T]  // guarded by mu
	seen   []mark     // of its files, when they were last looked at; guarded by mu
}

// NewWatched makes one that says in the log what happens to its files.
func NewWatched[T any](log *slog.Logger) *Watched[T] {
	return &Watched[T]{log: log, every: Interval}
}

// Now is what the files held when they were last whole; nil before Set.
func (w *Watched[T]) Now() *T { return w.now.Load() }

// Counts returns how often the files were read anew, and how often in vain.
func (w *Watched[T]) Counts() (reloads, failures uint64) {
	return w.reloads.Load(), w.failures.Load()
}

// Set reads other files, or the same ones anew. With an error all stays as it
// was. undo brings back what there was before.
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

// load makes it of a source's files; the caller holds mu.
func (w *Watched[T]) load(s Source[T], m []mark) error {
	first := w.now.Load() == nil
	made, err := s.Load()
	switch {
	case len(s.Files) == 0: // nothing was read
	case err != nil && !first:
		w.failures.Add(1)
		w.log.Warn("certificates stay as they were", "err", err)
	case err == nil && !first:
		w.reloads.Add(1)
		w.log.Info("certificates read anew", "files", s.Files)
	}
	if err == nil {
		w.now.Store(made)
	}
	if err == nil || slices.Equal(s.Files, w.source.Files) {
		w.seen = m // what is wrong with these has been said
	}
	return err
}

// Look reads the files anew if one has changed since the last look: once for
// each change, so that a broken file is one line in the log.
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

// Watch looks at the files each Interval until quiet is closed.
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

// mark changes when a file does.
type mark struct {
	size  int64
	time  time.Time
	other os.FileInfo // for its inode: see os.SameFile
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
