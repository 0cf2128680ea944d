package admission

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"castgate/server/keyset"
)

// fetchedKeys owns the set of JWT.JWKS, of which there is at most one, and its
// goroutine. While the URL stays the same, so do the set and its keys, whatever
// else changes in the policy.
type fetchedKeys struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	url     string
	refresh time.Duration
	set     *keyset.Set // nil without a URL
	before  keyset.Stats
	ctx     context.Context // of the goroutines; nil before run
	stop    context.CancelFunc
	cancel  context.CancelFunc // of set's
	running sync.WaitGroup
}

// of is the set that a policy asks for, nil for none. A set that is no longer asked
// for is no longer fetched.
func (f *fetchedKeys) of(j *JWT) *keyset.Set {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.JWKS == f.url && (j.JWKSRefresh == f.refresh || f.url == "") {
		return f.set
	}
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
	if f.set != nil { // counters never fall
		st := f.set.Stats()
		f.before.Fetched += st.Fetched
		f.before.Failed += st.Failed
	}
	old := f.set
	if f.set = nil; j.JWKS != "" {
		f.set = keyset.New(keyset.Config{URL: j.JWKS, Refresh: j.JWKSRefresh, Log: f.log, Now: f.now})
		if old != nil && j.JWKS == f.url {
			f.set.Follow(old)
		}
		f.begin()
	}
	f.url, f.refresh = j.JWKS, j.JWKSRefresh
	return f.set
}

// begin runs the set if the server does. f.mu must be held.
func (f *fetchedKeys) begin() {
	if f.ctx == nil || f.set == nil {
		return
	}
	ctx, cancel := context.WithCancel(f.ctx)
	set := f.set
	f.cancel = cancel
	f.running.Go(func() { set.Run(ctx) })
}

// run begins to fetch, also sets that come later.
func (f *fetchedKeys) run() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.begin()
}

// end ends all fetching and waits for it.
func (f *fetchedKeys) end() {
	f.mu.Lock()
	if f.stop != nil {
		f.stop()
		f.ctx = nil
	}
	f.mu.Unlock()
	f.running.Wait()
}

// stats are the counts of all sets so far; on reports whether there is one.
func (f *fetchedKeys) stats() (st keyset.Stats, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set != nil {
		st = f.set.Stats()
	}
	st.Fetched += f.before.Fetched
	st.Failed += f.before.Failed
	return st, f.set != nil
}
