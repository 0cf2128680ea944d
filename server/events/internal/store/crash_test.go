package store

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// unsafe is a directory on a disk that loses power: what was not synced may be
// there afterwards, in parts and in any order, or not. It can be full, too.
type unsafe struct {
	mu    sync.Mutex
	safe  map[string]*unsafeFile // names that outlive a loss of power
	names map[string]*unsafeFile
	room  int   // bytes that may be written yet; -1: any
	fail  error // what Sync and WriteAt answer, unless nil
}

type unsafeFile struct {
	dir     *unsafe
	safe    []byte
	bytes   []byte
	pending []write
	closed  bool
}

type write struct {
	at int64
	b  []byte // nil: a truncation to at
}

func newUnsafe() *unsafe {
	return &unsafe{safe: map[string]*unsafeFile{}, names: map[string]*unsafeFile{}, room: -1}
}

// sector is what a disk writes whole or not at all.
const sector = 512

// crash is what the directory holds after a loss of power.
func (u *unsafe) crash(r *rand.Rand) *unsafe {
	u.mu.Lock()
	defer u.mu.Unlock()
	after := newUnsafe()
	names := maps.Clone(u.safe)
	for name, f := range u.names { // created, but not synced
		if names[name] == nil && r.IntN(2) == 0 {
			names[name] = f
		}
	}
	for name := range u.safe {
		if u.names[name] == nil && r.IntN(2) == 0 { // removed, but not synced
			delete(names, name)
		}
	}
	for name, f := range names {
		b := slices.Clone(f.safe)
		for _, w := range f.pending {
			switch {
			case w.b == nil && r.IntN(2) == 0:
				b = b[:min(int64(len(b)), w.at)]
			case w.b != nil:
				b = tear(r, b, w)
			}
		}
		after.names[name] = &unsafeFile{dir: after, safe: b, bytes: slices.Clone(b)}
	}
	after.safe = maps.Clone(after.names)
	return after
}

// tear writes some of the sectors of a write.
func tear(r *rand.Rand, b []byte, w write) []byte {
	if r.IntN(4) == 0 {
		return b
	}
	all, cut := r.IntN(4) == 0, r.IntN(len(w.b)+1)
	for from := 0; from < len(w.b); from += sector {
		to := min(from+sector, len(w.b))
		if !all && (r.IntN(3) == 0 || from > cut) {
			continue
		}
		if !all {
			to = min(to, max(cut, from))
		}
		if end := w.at + int64(to); int64(len(b)) < end {
			b = append(b, make([]byte, end-int64(len(b)))...)
		}
		copy(b[w.at+int64(from):], w.b[from:to])
	}
	return b
}

func (u *unsafe) List() ([]string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Keys(u.names)), nil
}

func (u *unsafe) Open(name string) (File, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.names[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (u *unsafe) Create(name string) (File, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.names[name] != nil {
		return nil, fs.ErrExist
	}
	if u.fail != nil {
		return nil, u.fail
	}
	f := &unsafeFile{dir: u}
	u.names[name] = f
	return f, nil
}

func (u *unsafe) Rename(from, to string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.names[from]
	if f == nil {
		return fs.ErrNotExist
	}
	delete(u.names, from)
	u.names[to] = f
	return nil
}

func (u *unsafe) Remove(name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(u.names, name)
	return nil
}

func (u *unsafe) Sync() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail != nil {
		return u.fail
	}
	u.safe = maps.Clone(u.names)
	return nil
}

func (u *unsafe) Close() error { return nil }

func (f *unsafeFile) ReadAt(b []byte, at int64) (int, error) {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if at >= int64(len(f.bytes)) {
		return 0, io.EOF
	}
	n := copy(b, f.bytes[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

var errFull = errors.New("no space left on device")

func (f *unsafeFile) WriteAt(b []byte, at int64) (n int, err error) {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	if f.dir.fail != nil {
		return 0, f.dir.fail
	}
	if room := f.dir.room; room >= 0 && len(b) > room {
		b, err = b[:room], errFull
	}
	if f.dir.room >= 0 {
		f.dir.room -= len(b)
	}
	if end := at + int64(len(b)); int64(len(f.bytes)) < end {
		f.bytes = append(f.bytes, make([]byte, end-int64(len(f.bytes)))...)
	}
	copy(f.bytes[at:], b)
	if len(b) > 0 {
		f.pending = append(f.pending, write{at, slices.Clone(b)})
	}
	return len(b), err
}

func (f *unsafeFile) Size() (int64, error) {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	return int64(len(f.bytes)), nil
}

func (f *unsafeFile) Truncate(size int64) error {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	if size < int64(len(f.bytes)) {
		f.bytes = f.bytes[:size:size]
		f.pending = append(f.pending, write{at: size})
	}
	return nil
}

func (f *unsafeFile) Sync() error {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	if f.dir.fail != nil {
		f.pending = f.pending[:len(f.pending)/2] // the kernel forgets what it could not write
		return f.dir.fail
	}
	f.safe, f.pending = slices.Clone(f.bytes), nil
	return nil
}

func (f *unsafeFile) Close() error {
	f.dir.mu.Lock()
	defer f.dir.mu.Unlock()
	f.closed = false // others may have it open, as with descriptors of their own
	return nil
}
