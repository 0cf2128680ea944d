package admission

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"castgate/server/token"
	"castgate/server/token/tokentest"
)

func withKeys(t *testing.T) Policy {
	return Policy{JWT: JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}}}
}

// A limited number of tokens waits, with a limited number of bytes; the others are refused
// at once. Those that wait are checked in turn.
func TestChecksAreBounded(t *testing.T) {
	r := newRig(t, withKeys(t))
	r.checks.running = r.checks.most // nobody works
	good := Token{tokentest.Sign(t, jwt.MapClaims{"sub": "ann"}), r.Rules()}
	checked := make(chan string, maxChecks)
	done := func(id token.Identity, _ *token.Refusal) { checked <- id.UID }
	for i := range maxChecks {
		if busy := r.Check(good, 1, done); busy != nil {
			t.Fatalf("token %d: %v", i, busy)
		}
	}
	if busy := r.Check(good, 1, done); busy == nil || busy.Reason != token.Busy {
		t.Errorf("one too many: %v", busy)
	}
	r.work()
	for range maxChecks {
		if uid := <-checked; uid != "ann" {
			t.Fatalf("a good token is refused, or of %q", uid)
		}
	}
	r.checks.running = r.checks.most
	if busy := r.Check(good, maxCheckBytes, done); busy != nil {
		t.Errorf("as many bytes as there may be: %v", busy)
	}
	if busy := r.Check(good, 1, done); busy == nil || busy.Reason != token.Busy {
		t.Errorf("one byte too many: %v", busy)
	}
	r.work()
	if <-checked; !r.idle() || r.checks.bytes != 0 {
		t.Errorf("%d bytes are still held, idle: %v", r.checks.bytes, r.idle())
	}
}

// A good token that makes nobody a client is refused, a panic refuses one token, and the
// next one is checked.
func TestUnusableTokens(t *testing.T) {
	r := newRig(t, withKeys(t))
	tok := tokentest.Sign(t, jwt.MapClaims{"sub": "ann"})
	r.unable.Store(&token.Refusal{Reason: token.Claim, Claim: "sub"})
	if got := r.answer(tok); got != "token_claim" {
		t.Errorf("an unusable name: %s", got)
	}
	r.unable.Store(nil)
	r.explode.Store(true)
	if got := r.answer(tok); got != token.ErrInvalid.Reason.String() || r.defects.Load() != 1 {
		t.Errorf("after a panic: %s, %d defects", got, r.defects.Load())
	}
	r.explode.Store(false)
	if got := r.answer(tok); got != "ann" {
		t.Errorf("afterwards: %s", got)
	}
	if got := r.answer(tok[:len(tok)-4] + "AAAA"); got != "token_signature" {
		t.Errorf("another secret: %s", got)
	}
}
