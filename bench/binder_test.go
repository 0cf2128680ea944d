package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// bindings is a control port that accepts every bind.
type bindings struct {
	mu    sync.Mutex
	sizes []int // of batches
	text  strings.Builder
	reply string
}

// ServeHTTP implements http.Handler.
func (f *bindings) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	n := strings.Count(string(body), `"op":"bind"`)
	f.sizes = append(f.sizes, n)
	f.text.Write(body)
	answer := fmt.Sprintf(`{"replies":[%s]}`, strings.TrimSuffix(strings.Repeat(f.reply+",", n), ","))
	w.Header().Set("Content-Length", fmt.Sprint(len(answer))) // not in chunks
	_, _ = io.WriteString(w, answer)
}

func startBindings(t *testing.T) (*bindings, []*caller) {
	t.Helper()
	f := &bindings{reply: `{"status":200,"body":{"previous_uid":null,"kicked":0}}`}
	web := httptest.NewServer(f)
	callers, hangUp, err := dialCallers(t.Context(), web.Listener.Addr().String(), bindCallers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(); web.Close() })
	return f, callers
}

// All connections that arrive are bound, those before and those during the
// binding, in batches.
func TestBinderBindsAll(t *testing.T) {
	f, callers := startBindings(t)
	b := newBinder(7)
	for round := range 2 {
		const early, all = 2500, 4000
		for i := range early {
			b.arrived(i, fmt.Sprintf("id-%d", i))
		}
		var coming sync.WaitGroup
		coming.Go(func() {
			for i := early; i < all; i++ {
				b.arrived(i, fmt.Sprintf("id-%d", i))
			}
		})
		if err := b.bind(t.Context(), callers, all); err != nil {
			t.Fatal(err)
		}
		coming.Wait()
		bound := 0
		for _, n := range f.sizes {
			if bound += n; n > bindBatch {
				t.Errorf("a batch of %d", n)
			}
		}
		if bound != (round+1)*all || len(f.sizes) > bound/2 {
			t.Errorf("%d bound in %d batches", bound, len(f.sizes))
		}
	}
	for _, i := range []int{0, 2499, 2500, 3999} {
		want := fmt.Sprintf(`{"op":"bind","client_id":"id-%d","uid":"loadtest-%d","groups":["loadtest-%d"]}`, i, i, i%7)
		if n := strings.Count(f.text.String(), want); n != 2 {
			t.Errorf("%s: %d times", want, n)
		}
	}
}

func TestBinderFails(t *testing.T) {
	f, callers := startBindings(t)
	b := newBinder(1)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
	defer cancel()
	if err := b.bind(ctx, callers, 1); err == nil || err.Error() != "enough" {
		t.Errorf("nobody came: %v", err)
	}
	for reply, want := range map[string]string{
		`{"status":404,"problem":{"code":"unknown_client"}}`:        "unknown_client",
		`{"status":503,"problem":{"code":"busy"}}`:                  "refused",
		`{"status":200,"body":{"previous_uid":"other","kicked":0}}`: "other",
	} {
		f.reply = reply
		b.arrived(0, "id")
		if err := b.bind(t.Context(), callers, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
