package swarm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
)

// A server that tells some clients nothing at first is probed until it has told
// everyone. What comes of probes later is neither a message nor a duplicate.
func TestProbe(t *testing.T) {
	g := gatewaytest.New(t, false)
	const n, deaf = 20, 5
	s := open(t, Config{URLs: []string{g.URL}, Connections: n, Loops: 2})
	var probes [][]byte
	push := func(_ context.Context, _ int, payload []byte) (control.PushResult, error) {
		probes = append(probes, payload)
		for i, id := range g.All() {
			if i >= deaf || len(probes) > 2*(i+1) { // the last of them from probe 2*deaf+1 on
				g.Write(id, payload)
			}
		}
		if len(probes) == 2 {
			return control.PushResult{}, &control.RefusedError{Status: 503}
		}
		return control.PushResult{}, nil
	}
	for range 2 { // the second time all must hear another
		before := len(probes)
		if err := s.Probe(t.Context(), push); err != nil {
			t.Fatal(err)
		}
		if least := 1 + 2*deaf; len(probes) < least || len(probes) == before {
			t.Errorf("ended after %d probes, want at least %d", len(probes), least)
		}
	}
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, clock.Now())
	for _, id := range g.All() {
		g.Write(id, b)
		g.Write(id, probes[0]) // late, and a second time
	}
	st.Commit(0)
	b = st.Append(nil, 0, 64, clock.Now())
	for _, id := range g.All() {
		g.Write(id, b)
	}
	st.Commit(0)
	delivered(t, s)
	if r := s.Report(); r.Err() != nil || r.Received != 2*n || r.Broadcast.Count != 2*n || r.Expected != 2*n {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

// Probing ends: with ctx, with the first error of the server's, with a connection.
func TestProbeGivesUp(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 3})
	toTwo := func(_ context.Context, _ int, payload []byte) (control.PushResult, error) {
		for _, id := range g.All()[:2] {
			g.Write(id, payload)
		}
		return control.PushResult{}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Probe(ctx, toTwo); err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "of 3 connections have heard none") {
		t.Error(err)
	}
	broken := errors.New("broken")
	if err := s.Probe(t.Context(), func(context.Context, int, []byte) (control.PushResult, error) { return control.PushResult{}, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	err := s.Probe(t.Context(), func(ctx context.Context, _ int, payload []byte) (control.PushResult, error) {
		g.Die()
		return control.PushResult{}, nil
	})
	errtest.Contains(t, err, "heard no probe", "lost")
	s.Close()
	if err := s.Probe(t.Context(), toTwo); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
