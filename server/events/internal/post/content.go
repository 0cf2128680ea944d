package post

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// content is the body of a request, whose bytes are used again once nobody reads it any
// more: a transport may read on when it has answered already.
type content struct {
	b       []byte
	release func()
	readers atomic.Int32 // Do is one of them
}

// open returns a reader from the beginning.
func (c *content) open() (io.ReadCloser, error) {
	if c.readers.Add(1) == 1 {
		return nil, errors.New("the request is over")
	}
	return &reading{content: c}, nil
}

func (c *content) close() {
	if c.readers.Add(-1) == 0 && c.release != nil {
		c.release()
	}
}

// reading is one reader of a content. Some goroutines may read while another closes.
type reading struct {
	mu      sync.Mutex
	content *content
	at      int
	closed  bool
}

// Read implements io.Reader.
func (r *reading) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, http.ErrBodyReadAfterClose
	case r.at == len(r.content.b):
		return 0, io.EOF
	}
	n := copy(b, r.content.b[r.at:])
	r.at += n
	return n, nil
}

// Close implements io.Closer.
func (r *reading) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.content.close()
	}
	return nil
}
