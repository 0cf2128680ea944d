package loop

import (
	"log/slog"
	"testing"
	"time"

	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/kernel"
	"castgate/server/token"
)

// rigConfig is what loops are tested with.
type rigConfig struct {
	Config
	admission.Policy
	ProxyProtocol bool
}

// idleLoops are loops that do not run: the test takes their turns.
func idleLoops(t testing.TB, sys *kernel.Calls, change func(*rigConfig)) *Loops {
	t.Helper()
	c := rigConfig{Config: Config{
		Loops: 1, OnMessage: OnMessageIgnore, InitMessage: `{"type":"init","client_id":"%s"}`,
		CompressMin: 256, CompressLevel: 1,
		Capacity: capacity.Capacity{
			MaxMessage: 64 << 10, MaxHandshake: 32 << 10, SendQueue: 256 << 10, SlowPolicy: capacity.SlowClose, PushQueue: 64 << 20,
			HandshakeTimeout: 10 * time.Second, PingInterval: 25 * time.Second, PingTimeout: 10 * time.Second,
		},
		Files: 1 << 20, Ready: func() bool { return true }, Log: slog.New(slog.DiscardHandler), System: sys,
	}}
	change(&c)
	var err error
	if c.IDs, err = clientid.New(0); err != nil {
		t.Fatal(err)
	}
	c.Admission, err = admission.New(admission.Config{
		MaxMessage: c.MaxMessage, ProxyProtocol: c.ProxyProtocol, MaxRefusing: 1 << 10, Checkers: 1,
		Now: sys.Now, Elapsed: func() int64 { return int64(sys.Elapsed()) },
		Usable: func(*token.Identity) *token.Refusal { return nil },
		Defect: func(p any, stack []byte) { t.Errorf("a defect: %v\n%s", p, stack) }, Log: c.Log,
	}, c.Policy)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.ports = make([]uint16, 16)
	t.Cleanup(func() {
		for _, l := range s.loops {
			l.discard()
		}
	})
	return s
}

func idleLoop(t testing.TB) *loop {
	t.Helper()
	return idleLoopOn(t, &kernel.Linux)
}

func idleLoopOn(t testing.TB, sys *kernel.Calls) *loop {
	t.Helper()
	return idleLoopWith(t, sys, func(*rigConfig) {})
}

func idleLoopWith(t testing.TB, sys *kernel.Calls, change func(*rigConfig)) *loop {
	t.Helper()
	return idleLoops(t, sys, change).loops[0]
}

// Stats is a reading of what the loops have counted.
func (s *Loops) Stats() gateway.Stats {
	st := gateway.Stats{
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{}, InflateErrors: map[string]uint64{},
	}
	s.AddTo(&st)
	return st
}
