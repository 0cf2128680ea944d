package store

import (
	"io"
	"io/fs"
	"sync"
)

// Memory is Files that end with the process.
type Memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{files: map[string]*memoryFile{}} }

// List implements Files.
func (m *Memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.files))
	for name := range m.files {
		names = append(names, name)
	}
	return names, nil
}

// Open implements Files.
func (m *Memory) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.files[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

// Create implements Files.
func (m *Memory) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] != nil {
		return nil, fs.ErrExist
	}
	f := &memoryFile{}
	m.files[name] = f
	return f, nil
}

// Rename implements Files.
func (m *Memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[from]
	if f == nil {
		return fs.ErrNotExist
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

// Remove implements Files.
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return fs.ErrNotExist
	}
	delete(m.files, name)
	return nil
}

// Sync implements Files.
func (m *Memory) Sync() error { return nil }

// Close implements Files.
func (m *Memory) Close() error { return nil }

// memoryFile is a file of Memory. Its pages are never moved, so that it grows
// without copies.
type memoryFile struct {
	mu    sync.RWMutex
	pages [][]byte // all of pageLen
	size  int64
}

const pageLen = 64 << 10

// ReadAt implements File.
func (f *memoryFile) ReadAt(b []byte, at int64) (n int, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for n < len(b) {
		if at >= f.size {
			return n, io.EOF
		}
		page := f.pages[at/pageLen][at%pageLen:]
		m := copy(b[n:], page[:min(int64(len(page)), f.size-at)])
		n += m
		at += int64(m)
	}
	return n, nil
}

// WriteAt implements File.
func (f *memoryFile) WriteAt(b []byte, at int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(b) {
		for int64(len(f.pages)) <= at/pageLen {
			f.pages = append(f.pages, make([]byte, pageLen))
		}
		m := copy(f.pages[at/pageLen][at%pageLen:], b[n:])
		n += m
		at += int64(m)
	}
	f.size = max(f.size, at)
	return n, nil
}

// Size implements File.
func (f *memoryFile) Size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size, nil
}

// Truncate implements File.
func (f *memoryFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if size < f.size {
		f.pages = f.pages[:(size+pageLen-1)/pageLen]
		if rest := size % pageLen; rest > 0 {
			clear(f.pages[len(f.pages)-1][rest:])
		}
		f.size = size
	}
	return nil
}

// Sync implements File.
func (f *memoryFile) Sync() error { return nil }

// Close implements File.
func (f *memoryFile) Close() error { return nil }
