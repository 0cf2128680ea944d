package admission

import (
	"errors"
	"runtime/debug"
	"sync"

	"castgate/server/token"
)

// errBusy refuses a token that nobody has looked at.
var errBusy = &token.Refusal{Reason: token.Busy}

// check is a token that waits for a goroutine to check it.
type check struct {
	Token
	size   int // bytes that are held while it waits
	done   func(token.Identity, *token.Refusal)
	waited bool // for a fetch of keys
}

// maxChecks is how many tokens wait, maxCheckBytes how many bytes are held with them.
const (
	maxChecks     = 1024
	maxCheckBytes = 32 << 20
)

// checks is the queue of tokens. A few goroutines work on it, which exist only while
// there is work. A signature takes 30 to 50 microseconds, several times what a loop
// needs for a handshake without one: a flood of tokens slows those down who wait for
// their own token, and not the other clients of the loops.
type checks struct {
	most int // goroutines

	mu      sync.Mutex
	waiting []check
	bytes   int // sum of size
	running int
}

// Check checks a token on another goroutine, which then calls done: with the client's
// identity, or with a reason that is not nil. size is how many bytes the caller holds
// meanwhile. If too many tokens wait, Check refuses the token at once, and done is not
// called.
func (a *Control) Check(t Token, size int, done func(token.Identity, *token.Refusal)) *token.Refusal {
	if !a.queue(check{Token: t, size: size, done: done}) {
		return errBusy
	}
	return nil
}

// queue queues a check; false if too many wait.
func (a *Control) queue(k check) bool {
	q := &a.checks
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxChecks || q.bytes+k.size > maxCheckBytes {
		return false
	}
	q.bytes += k.size
	q.waiting = append(q.waiting, k)
	if q.running < q.most {
		q.running++
		go a.work()
	}
	return true
}

// work checks until nothing waits.
func (a *Control) work() {
	q := &a.checks
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting = nil
			q.running--
			q.mu.Unlock()
			return
		}
		k := q.waiting[0]
		q.bytes -= k.size
		q.waiting[0] = check{}
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		a.run(k)
	}
}

// run checks one token. A token whose key may be new waits, once, for the keys to be
// fetched; its handshake-timeout goes on.
func (a *Control) run(k check) {
	id, why := a.verify(k.Token)
	if why != nil && (why.Reason == token.UnknownKey || why.Reason == token.NoKeys) && k.rules.keys != nil && !k.waited {
		k.waited = true
		if k.rules.keys.Await(func() {
			if !a.queue(k) {
				k.done(token.Identity{}, errBusy)
			}
		}) {
			return
		}
		id, why = a.verify(k.Token) // a fetch may have ended in between
	}
	k.done(id, why)
}

func (a *Control) verify(t Token) (id token.Identity, why *token.Refusal) {
	defer func() {
		if p := recover(); p != nil {
			why = token.ErrInvalid
			a.config.Defect(p, debug.Stack())
		}
	}()
	id, err := t.rules.verifier.Verify(t.Text)
	if err == nil {
		return id, a.config.Usable(&id)
	}
	if refusal, ok := errors.AsType[*token.Refusal](err); ok {
		return id, refusal
	}
	return id, token.ErrInvalid
}
