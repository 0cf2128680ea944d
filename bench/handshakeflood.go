package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
)

// The flood scenario: how clients that are connected with TLS are affected by
// others that connect as fast as they can.
const (
	floodClients = 25
	floodRate    = 500.0 // unicasts per second to them
	floodSettle  = 500 * time.Millisecond
	floodQuiet   = "flood, none"
)

// floodKinds are what those others do, see bench/flood. Without TLS, they cost
// what any server on these cores pays.
var floodKinds = []string{"connects", "hellos", "handshakes"}

// floodPlays: only castgate is measured.
func floodPlays(server string) []play {
	if server != Castgate {
		return nil
	}
	return []play{{CastgateWSS, floodPlay}}
}

// floodScenario measures unicasts during a flood of connections.
type floodScenario struct{ *bench }

func floodPlay(b *bench, ctx context.Context, s *server, round *samples) error {
	return floodScenario{b}.measure(ctx, s, round)
}

// measure measures unicasts without a flood and during each kind.
func (b floodScenario) measure(ctx context.Context, s *server, round *samples) error {
	program, err := b.floodProgram(ctx)
	if err != nil {
		return err
	}
	if err := b.beside(ctx, s, floodQuiet, nil, round); err != nil {
		return err
	}
	for _, kind := range floodKinds {
		name := "flood, " + kind
		f, err := startFlood(program, strings.TrimPrefix(s.url, "wss://"), kind)
		if err != nil {
			return err
		}
		err = b.beside(ctx, s, name, f, round)
		if err = errors.Join(err, f.stop()); err != nil {
			return err
		}
		round.addQuotient(name, "unicast p99", s.name, floodQuiet, "by none")
		if err := b.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beside measures unicasts to clients that connected before the flood.
func (b floodScenario) beside(ctx context.Context, s *server, name string, f *flood, round *samples) error {
	crowd, err := swarm.Open(ctx, b.swarmOf(s, min(floodClients, b.Clients), []payload.Kind{payload.Unicast}))
	if err != nil {
		return err
	}
	defer crowd.Close()
	if err := sleep(ctx, floodSettle); err != nil {
		return err
	}
	before, err := tlsHandshakes(ctx, s)
	if err != nil {
		return err
	}
	w, err := openWindow(name, s, crowd)
	if err != nil {
		return err
	}
	pushes, err := pushing.Along(ctx, crowd.Stream(0), s.control.PushTo(crowd.ClientIDs()), pushing.Pace{
		Rate: floodRate, For: b.Measure, Size: b.Size, Target: func(k int) int { return k % crowd.Len() },
	})
	if err != nil {
		return err
	}
	if err := waitDelivered(ctx, crowd); err != nil {
		return err
	}
	m, err := w.close(crowd)
	if err != nil {
		return err
	}
	after, err := tlsHandshakes(ctx, s)
	if err != nil {
		return err
	}
	round.addLatency(name, "unicast", s.name, crowd.Report().Unicast)
	round.add(name, "of that, late wake-ups of the caller p99", s.name, "ns", float64(pushes.Oversleep.P99))
	if f == nil {
		round.addLoads(name, s.name, m)
	} else { // its CPU time is foreign, but intended
		round.add(name, "server load", s.name, "cores", m.serverLoad)
		round.add(name, "TLS handshakes a second, ended in any way", s.name, "1/s", (after-before)/m.took.Seconds())
	}
	return crowd.Report().Err()
}

// tlsHandshakes is how many have ended, with any result.
func tlsHandshakes(ctx context.Context, s *server) (float64, error) {
	return s.control.Metric(ctx, "castgate_tls_handshakes_total")
}

// floodProgram builds bench/flood, once.
func (b floodScenario) floodProgram(ctx context.Context) (string, error) {
	const name = "flood"
	if b.binaries[name] == "" {
		path := filepath.Join(b.dir, name)
		if err := goBuild(ctx, b.Root, "./bench/flood", path); err != nil {
			return "", err
		}
		b.binaries[name] = path
	}
	return b.binaries[name], nil
}

// flood is a process of bench/flood.
type flood struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	output bytes.Buffer
}

func startFlood(program, address, kind string) (*flood, error) {
	f := &flood{cmd: exec.Command(program, "--address", strings.TrimSuffix(address, "/"), "--kind", kind)}
	var err error
	if f.stdin, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	f.cmd.Stdout, f.cmd.Stderr = &f.output, &f.output
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("flood of %s: %w", kind, err)
	}
	return f, nil
}

// stop ends it, and returns an error if it achieved nothing.
func (f *flood) stop() error {
	_ = f.stdin.Close()
	if err := f.cmd.Wait(); err != nil {
		return fmt.Errorf("%v: %w\n%s", f.cmd.Args, err, &f.output)
	}
	var good, bad int
	if _, err := fmt.Sscan(f.output.String(), &good, &bad); err != nil || good == 0 {
		return fmt.Errorf("%v completed no connection: %q", f.cmd.Args, f.output.String())
	}
	return nil
}
