package tell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// backend accepts everything, and counts. It reads no JSON: that is the backend's
// business, and it shares the processors here.
type backend struct {
	*httptest.Server
	events atomic.Int64
	pool   sync.Pool
}

func newBackend() *backend {
	b := &backend{pool: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	b.Server = httptest.NewServer(b)
	return b
}

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := b.pool.Get().(*bytes.Buffer)
	defer b.pool.Put(body)
	body.Reset()
	if _, err := io.Copy(body, r.Body); err != nil {
		return // the gateway has gone
	}
	b.events.Add(int64(bytes.Count(body.Bytes(), []byte(`"specversion"`))))
	w.WriteHeader(http.StatusNoContent)
}

// await waits until there are so many events.
func (b *backend) await(ctx context.Context, n int64) error {
	for end := time.Now().Add(time.Minute); b.events.Load() < n; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(end) {
			return fmt.Errorf("%d events after a minute, want %d", b.events.Load(), n)
		}
	}
	return nil
}
