package loadtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A server that tells some clients nothing at first is probed until it has told
// everyone. What comes of probes later is neither a message nor a duplicate.
func TestProbe(t *testing.T) {
	g := newGateway(t, false)
	const n, deaf = 20, 5
	s := open(t, Config{URLs: []string{g.url}, Connections: n, Loops: 2})
	var probes [][]byte
	push := func(_ context.Context, _ int, payload []byte) (PushResult, error) {
		probes = append(probes, payload)
		for i, id := range g.all() {
			if i >= deaf || len(probes) > 2*(i+1) { // the last of them from probe 2*deaf+1 on
				g.write(id, payload)
			}
		}
		if len(probes) == 2 {
			return PushResult{}, &RefusedError{Status: 503}
		}
		return PushResult{}, nil
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
	b := st.Append(nil, 0, 64, Now())
	for _, id := range g.all() {
		g.write(id, b)
		g.write(id, probes[0]) // late, and a second time
	}
	st.Commit(0)
	b = st.Append(nil, 0, 64, Now())
	for _, id := range g.all() {
		g.write(id, b)
	}
	st.Commit(0)
	delivered(t, s)
	if r := s.Report(); r.Err() != nil || r.Received != 2*n || r.Broadcast.Count != 2*n || r.Expected != 2*n {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

// Probing ends: with ctx, with the first error of the server's, with a connection.
func TestProbeGivesUp(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 3})
	toTwo := func(_ context.Context, _ int, payload []byte) (PushResult, error) {
		for _, id := range g.all()[:2] {
			g.write(id, payload)
		}
		return PushResult{}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Probe(ctx, toTwo); err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "of 3 connections have heard none") {
		t.Error(err)
	}
	broken := errors.New("broken")
	if err := s.Probe(t.Context(), func(context.Context, int, []byte) (PushResult, error) { return PushResult{}, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	err := s.Probe(t.Context(), func(ctx context.Context, _ int, payload []byte) (PushResult, error) {
		g.die()
		return PushResult{}, nil
	})
	wants(t, err, "heard no probe", "lost")
	s.Close()
	if err := s.Probe(t.Context(), toTwo); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}
