// Package keyset keeps the keys of a JSON Web Key Set that is published at a URL.
// It fetches the set at regular intervals, and also when a token names a key that
// the set does not contain. If a fetch fails, the previous keys stay. All methods
// may be called from any goroutine.
package keyset

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/token"
)

// Limits of fetching.
const (
	// MinRefresh and MaxRefresh bound Config.Refresh.
	MinRefresh = time.Minute
	MaxRefresh = 24 * time.Hour
	// AskGap is the minimum time between a fetch and one that a token triggers.
	// Someone who sends many tokens with unknown key ids causes one request in that
	// time, not one for each token.
	AskGap = 10 * time.Second
	// MaxWaiters is how many tokens may wait for a fetch.
	MaxWaiters = 256
	// MaxKeys is how many usable keys a set may have.
	MaxKeys = 64

	minRetry, maxRetry = time.Second, time.Minute // after a failure; doubles each time
)

// Config says where a key set is and how often to fetch it.
type Config struct {
	// URL must pass CheckURL.
	URL string
	// Refresh is the time from one fetch to the next. A shorter max-age in the
	// answer's Cache-Control replaces it (RFC 9111 section 5.2.2.1), down to a
	// minute.
	Refresh time.Duration
	Log     *slog.Logger // nil discards
	// Now is the clock for AskGap; nil means time.Now. After is the timer; nil
	// means time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Transport makes the requests; nil means a new http.Transport.
	Transport http.RoundTripper
}

// Stats are counts since New.
type Stats struct {
	Fetched, Failed uint64
	Keys            int
	LastSuccess     time.Time // zero for never
}

// Set is a key set at a URL.
type Set struct {
	cfg    Config
	client http.Client

	keys    atomic.Pointer[[]token.Key]
	fetched atomic.Uint64
	failed  atomic.Uint64
	last    atomic.Int64 // Unix nanoseconds of the last success

	ask chan struct{} // has room for one

	mu       sync.Mutex
	fetching bool // a fetch is under way or requested
	ended    bool
	began    time.Time // start of the last fetch
	waiters  []func()
}

// New returns a set without keys. It fetches nothing before Run.
func New(c Config) *Set {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	s := &Set{cfg: c, ask: make(chan struct{}, 1), fetching: true} // Run begins with a fetch
	s.client = newClient(c)
	return s
}

// Keys returns the keys of the last successful fetch, none if there has not been
// one. The caller must not change the slice.
func (s *Set) Keys() []token.Key {
	if keys := s.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// Follow copies the keys of another set with the same URL, to be used until the
// first fetch. Call it before Run.
func (s *Set) Follow(other *Set) { s.keys.Store(other.keys.Load()) }

// Stats returns the counts.
func (s *Set) Stats() Stats {
	st := Stats{Fetched: s.fetched.Load(), Failed: s.failed.Load(), Keys: len(s.Keys())}
	if at := s.last.Load(); at != 0 {
		st.LastSuccess = time.Unix(0, at)
	}
	return st
}

// Await requests a fetch because a token names a key that is not in the set. It
// calls again once the fetch has ended, whether it succeeded or not. It returns
// false, and never calls again, if a fetch has just ended or MaxWaiters are
// waiting. again must not block.
func (s *Set) Await(again func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || len(s.waiters) >= MaxWaiters:
		return false
	case !s.fetching:
		if s.cfg.Now().Sub(s.began) < AskGap {
			return false
		}
		s.fetching = true
		s.ask <- struct{}{} // never blocks: nobody requests a fetch while one is requested
	}
	s.waiters = append(s.waiters, again)
	return true
}

// Run fetches the set at once, and then as Config.Refresh says, until ctx is done.
// It may be called once.
func (s *Set) Run(ctx context.Context) {
	defer s.end()
	retry := minRetry
	for {
		s.begin()
		wait, err := s.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			s.fetched.Add(1)
			s.last.Store(s.cfg.Now().UnixNano())
			retry = minRetry
		} else {
			s.failed.Add(1)
			wait, retry = retry, min(2*retry, maxRetry)
			s.cfg.Log.Warn("could not fetch the keys of jwt-jwks; keeping the previous keys", "from", withoutQuery(s.cfg.URL), "err", err, "keys", len(s.Keys()), "retry_in", wait)
		}
		s.release()
		select {
		case <-ctx.Done():
			return
		case <-s.ask:
		case <-s.cfg.After(wait):
		}
	}
}

// begin marks the start of a fetch. Callers of Await wait for this one from now on.
func (s *Set) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching, s.began = true, s.cfg.Now()
	select { // a request that came between the timer and now
	case <-s.ask:
	default:
	}
}

// release calls everyone who waits for a fetch.
func (s *Set) release() {
	s.mu.Lock()
	waiters := s.waiters
	s.fetching, s.waiters = false, nil
	s.mu.Unlock()
	for _, again := range waiters {
		again()
	}
}

func (s *Set) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.release()
	s.client.CloseIdleConnections()
}
