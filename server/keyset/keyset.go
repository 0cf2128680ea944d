// Package keyset keeps the keys of a JSON Web Key Set that is published under a
// URL: it fetches them now and then, and once more when a token names a key that
// is not among them. Keys stay as they are when a fetch fails. All methods may
// be called from any goroutine.
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
	// AskGap is the least time between a fetch and one that a token has asked
	// for: whoever sends tokens with names of keys that nobody has makes one
	// request in that time, not one for each token.
	AskGap = 10 * time.Second
	// MaxWaiters is how many tokens wait for a fetch.
	MaxWaiters = 256
	// MaxKeys is how many keys a set may have for us.
	MaxKeys = 64

	minRetry, maxRetry = time.Second, time.Minute // after a failure, twice as long each time
)

// Config says where a set is and how often it is looked at.
type Config struct {
	// URL is what CheckURL takes.
	URL string
	// Refresh is the time from one fetch to the next, less if the answer's
	// Cache-Control says so (max-age, RFC 9111 section 5.2.2.1), but a minute at
	// least.
	Refresh time.Duration
	Log     *slog.Logger // nil discards
	// Now is the clock of AskGap, nil time.Now; After waits, nil time.After.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Transport makes the requests; nil is one of http.Transport.
	Transport http.RoundTripper
}

// Stats are counts since New.
type Stats struct {
	Fetched, Failed uint64
	Keys            int
	LastSuccess     time.Time // zero for never
}

// Set is a set under a URL.
type Set struct {
	cfg    Config
	client http.Client

	keys    atomic.Pointer[[]token.Key]
	fetched atomic.Uint64
	failed  atomic.Uint64
	last    atomic.Int64 // Unix nanoseconds of the last success

	ask chan struct{} // room for one

	mu       sync.Mutex
	fetching bool // one is under way, or asked for
	ended    bool
	began    time.Time // of the last fetch
	waiters  []func()
}

// New makes a set without keys; nothing is fetched before Run.
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
	s := &Set{cfg: c, ask: make(chan struct{}, 1), fetching: true} // the first is due at once
	s.client = newClient(c)
	return s
}

// Keys are those that were fetched last; none have come yet if there are none.
// The slice must not be changed.
func (s *Set) Keys() []token.Key {
	if keys := s.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// Follow takes over the keys of another set of the same URL, which hold until
// the first fetch. Before Run.
func (s *Set) Follow(other *Set) { s.keys.Store(other.keys.Load()) }

// Stats returns the counts.
func (s *Set) Stats() Stats {
	st := Stats{Fetched: s.fetched.Load(), Failed: s.failed.Load(), Keys: len(s.Keys())}
	if at := s.last.Load(); at != 0 {
		st.LastSuccess = time.Unix(0, at)
	}
	return st
}

// Await asks for a fetch, since a token needs a key that is not there, and has
// again called when it has ended, well or not. It returns false, and calls
// nothing, if there has just been one or too many wait already. again must not
// wait for anything.
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
		s.ask <- struct{}{} // never full: one is asked for while none is fetched
	}
	s.waiters = append(s.waiters, again)
	return true
}

// Run fetches the set, at once and then as Config.Refresh says, until ctx is
// done. Once in a Set's life.
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
			s.cfg.Log.Warn("the keys of jwt-jwks could not be fetched; those there are stay", "from", where(s.cfg.URL), "err", err, "keys", len(s.Keys()), "retry_in", wait)
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

// begin notes that a fetch begins. Whoever asks now waits for this one.
func (s *Set) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetching, s.began = true, s.cfg.Now()
	select { // asked for between the timer and now
	case <-s.ask:
	default:
	}
}

// release lets those go on who have waited for a fetch.
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
