package tell

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// backend accepts and counts everything, and answers a GET with the count. It parses no
// JSON: a real backend would do that elsewhere, but this one shares the processors.
type backend struct {
	events atomic.Int64
	pool   sync.Pool
}

func newBackend() *backend {
	return &backend{pool: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
}

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, strconv.FormatInt(b.events.Load(), 10))
		return
	}
	body := b.pool.Get().(*bytes.Buffer)
	defer b.pool.Put(body)
	body.Reset()
	if _, err := io.Copy(body, r.Body); err != nil {
		return // the gateway has gone
	}
	b.events.Add(int64(bytes.Count(body.Bytes(), []byte(`"specversion"`))))
	w.WriteHeader(http.StatusNoContent)
}
