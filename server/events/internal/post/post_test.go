package post

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The bytes of a request are given back once, and not while somebody reads them,
// whatever the backend does with the request.
func TestBytesAreReleased(t *testing.T) {
	var torn, requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) % 4 {
		case 0: // answers before it has read
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case 1:
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
		case 2: // reads slower than the sender waits
			_, _ = io.ReadFull(r.Body, make([]byte, 1000))
			select {
			case <-r.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
		default:
			body, err := io.ReadAll(r.Body)
			if err == nil && (len(body) == 0 || len(bytes.TrimLeft(body, string(body[:1]))) > 0) {
				torn.Add(1)
			}
		}
	}))
	defer server.Close()
	transport := NewTransport(8, time.Second)
	defer transport.CloseIdleConnections()
	c := Client{URL: server.URL, Transport: transport}
	var released atomic.Int64
	const senders, each = 8, 8
	var work sync.WaitGroup
	for i := range senders {
		work.Go(func() {
			for range each {
				body := bytes.Repeat([]byte{byte('a' + i)}, 256<<10)
				c.Do(context.Background(), &Request{ID: "x", Body: body, Timeout: 50 * time.Millisecond, Now: time.Now(), Release: func() {
					released.Add(1)
					for k := range body { // as somebody else would use it; a race if it is read
						body[k] = '!'
					}
				}})
			}
		})
	}
	work.Wait()
	for end := time.Now().Add(30 * time.Second); released.Load() < senders*each; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d are released after 30 s", released.Load(), senders*each)
		}
	}
	if n := released.Load(); n != senders*each || torn.Load() > 0 {
		t.Errorf("released %d times, want %d; %d bodies were torn", n, senders*each, torn.Load())
	}
}

// A request that could not be made is released as well.
func TestReleasedWithoutARequest(t *testing.T) {
	released := 0
	c := Client{URL: "http://[", Transport: http.DefaultTransport}
	if r := c.Do(t.Context(), &Request{Body: []byte("x"), Timeout: time.Second, Release: func() { released++ }}); r.Outcome != Unreached || released != 1 {
		t.Errorf("%+v, released %d times", r, released)
	}
}
