package admission

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"castgate/codec"
	"castgate/codec/codectest"
	"castgate/internal/wstest"
	"castgate/server/token"
)

const upgradeRequest = codectest.Upgrade

func trusting(networks ...string) (list []netip.Prefix) {
	for _, n := range networks {
		list = append(list, netip.MustParsePrefix(n))
	}
	return list
}

// await waits until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	wstest.Await(t, func() string {
		if !holds() {
			return "waiting for " + what
		}
		return ""
	})
}

// rig is a Control with a clock that a test moves.
type rig struct {
	*Control
	t       testing.TB
	began   time.Time
	ahead   atomic.Int64
	asked   atomic.Int64 // answers that were asked for
	unable  atomic.Pointer[token.Refusal]
	explode atomic.Bool // Usable panics
	defects atomic.Int64
}

const testMaxRefusing = 2

func newRig(t testing.TB, p Policy) *rig {
	t.Helper()
	r := &rig{t: t, began: time.Now()}
	var err error
	r.Control, err = New(Config{
		MaxMessage: 1000, MaxRefusing: testMaxRefusing, Checkers: 1,
		Now: func() time.Time { return r.began.Add(time.Duration(r.ahead.Load())) }, Elapsed: r.ahead.Load,
		Usable: func(*token.Identity) *token.Refusal {
			if r.explode.Load() {
				panic("here")
			}
			return r.unable.Load()
		},
		Defect: func(p any, stack []byte) {
			if fmt.Sprint(p) == "here" && len(stack) > 0 {
				r.defects.Add(1)
			}
		},
		Log: slog.New(slog.DiscardHandler),
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) advance(d time.Duration) { r.ahead.Add(int64(d)) }

// set replaces the policy.
func (r *rig) set(p Policy) {
	r.t.Helper()
	if _, err := r.Set(p); err != nil {
		r.t.Fatal(err)
	}
}

// decide decides about a request with additional fields, from 127.0.0.1.
func (r *rig) decide(fields string) Verdict {
	head := upgradeRequest[:len(upgradeRequest)-2] + fields + "\r\n"
	return r.Decide(r.Rules(), []byte(head), netip.MustParseAddrPort("127.0.0.1:80"), false)
}

// answer is the uid in a token, or the reason for which it is refused.
func (r *rig) answer(tok string) string {
	v := r.decide("Sec-WebSocket-Protocol: castgate, bearer." + tok + "\r\n")
	if v.Refusal != codec.HandshakeOK || v.NoToken != nil {
		return fmt.Sprint(v.Refusal, v.NoToken)
	}
	type outcome struct {
		id  token.Identity
		why *token.Refusal
	}
	done := make(chan outcome, 1)
	busy := r.Check(v.Token, 1, func(id token.Identity, why *token.Refusal) { done <- outcome{id, why} })
	r.asked.Add(1)
	if busy != nil {
		return busy.Reason.String()
	}
	o := <-done
	if o.why != nil {
		return o.why.Reason.String()
	}
	return o.id.UID
}

// idle reports whether no token waits for a goroutine, or has one.
func (r *rig) idle() bool {
	r.checks.mu.Lock()
	defer r.checks.mu.Unlock()
	return r.checks.running == 0 && len(r.checks.waiting) == 0
}
