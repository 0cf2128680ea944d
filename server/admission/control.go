package admission

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/quota"
	"castgate/server/keyset"
	"castgate/server/token"
)

// Config is what a Control needs beside its Policy.
type Config struct {
	// MaxMessage is the largest message in bytes; SetMaxMessage changes it.
	MaxMessage int
	// ProxyProtocol makes connections of trusted proxies begin with a PROXY header.
	ProxyProtocol bool
	// MaxRefusing is how many sockets at once may be refused properly for their
	// address, see Connection.
	MaxRefusing int
	// Checkers is how many goroutines check tokens at once.
	Checkers int
	// Now is the wall clock, which the times in tokens refer to.
	Now func() time.Time
	// Elapsed is a monotonic clock in nanoseconds, which quotas refer to.
	Elapsed func() int64
	// Usable says why nobody can be made a client with a good token, nil if one can. It is
	// called by the goroutines that check tokens.
	Usable func(*token.Identity) *token.Refusal
	// Defect is told of a panic in such a goroutine, which refuses the token.
	Defect func(panic any, stack []byte)
	Log    *slog.Logger
}

// Control applies a Policy. Any goroutine may call its methods.
type Control struct {
	config Config
	rules  atomic.Pointer[Rules]

	mu         sync.Mutex // guards maxMessage, and serialises changes of rules
	maxMessage int

	addresses quota.Addresses // connections by address, where that is limited
	accepting budget          // Policy.HandshakeRate
	refusing  atomic.Int64    // sockets being refused for their address
	checks    checks
	fetched   fetchedKeys // of JWT.JWKS
}

// New applies a policy. Errors name the setting that is wrong.
func New(c Config, p Policy) (*Control, error) {
	a := &Control{config: c, maxMessage: c.MaxMessage, checks: checks{most: c.Checkers}}
	a.fetched.log, a.fetched.now = c.Log, c.Now
	_, err := a.Set(p)
	return a, err
}

// Set replaces the policy for everything that is decided from now on. An error names
// the setting that is wrong, and the old policy stays. What p's slices and pointers lead
// to must not change afterwards. If the new Rules limit addresses, the caller must see to it
// that connections that exist already are counted, see Count.
func (a *Control) Set(p Policy) (*Rules, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := p.Fits(a.maxMessage); err != nil {
		return nil, err
	}
	if err := p.FitsProxyProtocol(a.config.ProxyProtocol); err != nil {
		return nil, err
	}
	r := a.newRules(p, a.fetched.of(&p.JWT))
	a.rules.Store(r)
	return r, nil
}

// Rules are those of the newest policy.
func (a *Control) Rules() *Rules { return a.rules.Load() }

// SetMaxMessage changes the largest message, in bytes. What ByteRate allows at once grows
// with it.
func (a *Control) SetMaxMessage(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.maxMessage = n
	a.rules.Store(a.rules.Load().withMaxMessage(n))
}

// Run fetches keys from JWT.JWKS, of policies that are set later too, until End.
func (a *Control) Run() { a.fetched.run() }

// End ends all fetching of keys and waits for it.
func (a *Control) End() { a.fetched.end() }

// Keys are the counts of all fetches so far; on reports whether keys are fetched.
func (a *Control) Keys() (st keyset.Stats, on bool) { return a.fetched.stats() }

// Addresses is how many addresses are remembered for their limits.
func (a *Control) Addresses() int { return a.addresses.Len() }

// budget is the bucket of Policy.HandshakeRate, which all acceptors share.
type budget struct {
	mu     sync.Mutex
	rate   quota.Rate // that bucket belongs to
	bucket quota.Bucket
}

// Pace takes one connection out of what Policy.HandshakeRate allows, or returns how long to
// wait before trying again.
func (a *Control) Pace() time.Duration {
	r, now := a.rules.Load().handshakes, a.config.Elapsed()
	b := &a.accepting
	b.mu.Lock()
	defer b.mu.Unlock()
	if r != b.rate {
		b.rate, b.bucket = r, 0
	}
	if b.bucket.Take(r, 1, now) {
		return 0
	}
	return max(1, time.Duration(b.bucket.Wait(r, now)))
}
