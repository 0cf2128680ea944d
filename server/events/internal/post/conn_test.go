//go:build !race

package post

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// A request takes no memory that is as large as its body. Under the race detector a
// sync.Pool forgets at random.
func TestBodyIsNotCopiedIntoNewMemory(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	transport := NewTransport(1, time.Second)
	defer transport.CloseIdleConnections()
	c := Client{URL: server.URL, Transport: transport}
	body := bytes.Repeat([]byte{'x'}, 60<<10)
	send := func(times int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			r := c.Do(t.Context(), &Request{ID: "x", Body: body, Timeout: 10 * time.Second, Now: time.Now()})
			if r.Outcome != Accepted {
				t.Fatalf("%+v", r)
			}
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / uint64(times)
	}
	send(10) // the connection and its buffers
	// The server of the test is counted, too.
	if n := send(100); n > uint64(len(body)/2) {
		t.Errorf("%d bytes are allocated for a request of %d", n, len(body))
	}
}
