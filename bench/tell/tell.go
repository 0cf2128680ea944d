// Package tell measures what events to a backend cost castgate: how many it sends per
// second, how long pushes wait meanwhile, and how much memory a client takes.
package tell

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"castgate/bench/gateway"
)

// Options say what to measure.
type Options struct {
	// Castgate is the gateway's binary.
	Castgate string
	// Rounds is how often everything is measured; with and without events take turns.
	Rounds int
	// Senders are the clients whose messages become events. Together they send Rate
	// messages per second while pushes are measured.
	Senders, Rate int
	// Measure is how long each is measured; Warmup comes before the highest rate is.
	Warmup, Measure time.Duration
	// Idle is the number of clients while memory is read. They have been connected for
	// Quiet by then, since memory is released only while nothing happens.
	Idle  int
	Quiet time.Duration
	// What says what is measured: pushes, memory, flat-out. Beside says what pushes are
	// measured beside.
	What, Beside []string
	// Part is the command, with its first arguments, of a process that is a Part.
	Part []string
	// Out gets the figures, a line each.
	Out io.Writer
}

// Defaults are what BENCHMARKS.md shows.
func Defaults() Options {
	return Options{Rounds: 3, What: []string{"pushes", "memory", "flat-out"}, Beside: []string{string(events), string(posts), string(nothing)}, Senders: 64, Rate: 30_000, Warmup: 2 * time.Second, Measure: 8 * time.Second, Idle: 10_000, Quiet: 8 * time.Second, Out: os.Stdout}
}

// Run measures. An error says what could not be measured, or that events were lost.
func Run(ctx context.Context, o Options) error {
	for round := range o.Rounds {
		say := func(what string, beside company, line string) {
			fmt.Fprintf(o.Out, "round %d  %-8s beside %-8s %s\n", round+1, what, beside, line)
		}
		order := slices.Clone(o.Beside)
		if round%2 != 0 {
			slices.Reverse(order)
		}
		if slices.Contains(o.What, "pushes") {
			err := pushes(ctx, o, order, func(beside company, line string) { say("pushes", beside, line) })
			if err != nil {
				return fmt.Errorf("pushes: %w", err)
			}
		}
		if slices.Contains(o.What, "memory") {
			both := []company{events, nothing}
			if round%2 != 0 {
				slices.Reverse(both)
			}
			for _, beside := range both {
				line, err := memory(ctx, o, beside == events)
				if err != nil {
					return fmt.Errorf("memory, %s: %w", beside, err)
				}
				say("memory", beside, line)
			}
		}
		if slices.Contains(o.What, "flat-out") {
			line, err := flatOut(ctx, o)
			if err != nil {
				return fmt.Errorf("flat out, %s: %w", events, err)
			}
			say("flat out", events, line)
		}
	}
	return nil
}

// site is a gateway, and the backend that it sends events to.
type site struct {
	*gateway.Gateway
	backend *remote // nil without
	beside  []*process
	listen  string
	dir     string
}

// open starts a gateway with flags. With events it sends them to a backend, from a
// queue on disk.
func open(ctx context.Context, o Options, events bool, flags ...string) (*site, error) {
	addrs, err := gateway.FreeAddrs(2)
	if err != nil {
		return nil, err
	}
	s := &site{listen: addrs[0]}
	if s.dir, err = os.MkdirTemp("", "castgate-tell-"); err != nil {
		return nil, err
	}
	flags = append(flags, "--max-conns", fmt.Sprint(o.Idle+1000), "--ping-interval", "0", "--log-level", "error")
	if events {
		if s.backend, err = startBackend(o); err != nil {
			s.close()
			return nil, err
		}
		flags = append(flags, "--events-url", s.backend.url, "--events-dir", filepath.Join(s.dir, "events"), "--events-quota", "4GiB",
			"--events-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--events-keep", "1s")
	}
	s.Gateway, err = gateway.Start(ctx, gateway.Options{
		Binary: o.Castgate, Listen: []string{s.listen}, Control: addrs[1], Flags: flags, Callers: 4, Output: os.Stderr,
	})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) close() {
	s.leave() // first, since senders answer no close frame
	if s.Gateway != nil {
		_ = s.Stop() // the figures are taken already
	}
	if s.backend != nil {
		s.backend.stop()
	}
	_ = os.RemoveAll(s.dir)
}

// lost is how many events the gateway reports as lost or set aside.
func (s *site) lost(ctx context.Context) error {
	m, err := s.Control.Metrics(ctx)
	if err != nil {
		return err
	}
	if n := m["castgate_events_lost_total"] + m["castgate_events_overflowed_total"] + m["castgate_events_dead"]; n > 0 {
		return fmt.Errorf("%v events are lost or set aside", n)
	}
	return nil
}

// memory measures what a client takes that only stays connected. Its part of the queue's
// log is on disk.
func memory(ctx context.Context, o Options, events bool) (string, error) {
	s, err := open(ctx, o, events)
	if err != nil {
		return "", err
	}
	defer s.close()
	first, err := s.Weigh(ctx, "start")
	if err != nil {
		return "", err
	}
	var few, crowd clients
	defer crowd.close()
	told := int64(0)
	// come has clients connect, and waits until they are told and it is quiet.
	come := func(c *clients, n int) error {
		if err := c.connect(s.listen, n, nil); err != nil {
			return err
		}
		if told += int64(n); events {
			if err := s.backend.await(ctx, told); err != nil {
				return err
			}
		}
		select {
		case <-time.After(o.Quiet):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	// The code and connections that the first events need count for no client.
	err = come(&few, firstClients)
	few.close()
	if err != nil {
		return "", err
	}
	before, err := s.Weigh(ctx, "few")
	if err != nil {
		return "", err
	}
	if events {
		told += firstClients // their ends
	}
	if err := come(&crowd, o.Idle); err != nil {
		return "", err
	}
	after, err := s.Weigh(ctx, "all")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d clients: %.0f B of PSS each; the first %d took %d KiB", o.Idle,
		float64(after.PSS-before.PSS)/float64(o.Idle), firstClients, (before.PSS-first.PSS)>>10), nil
}

// firstClients come before those whose memory is measured.
const firstClients = 50

// flatOut has clients send as fast as they can, and counts what the backend gets.
func flatOut(ctx context.Context, o Options) (string, error) {
	s, err := open(ctx, o, true, "--on-message", "forward")
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := s.begin(o, Part{To: s.listen, Senders: o.Senders}); err != nil {
		return "", err
	}
	time.Sleep(o.Warmup)
	from, _, err := s.sums(ctx)
	if err != nil {
		return "", err
	}
	began, to := time.Now(), from
	for to == from && time.Since(began) < patience {
		time.Sleep(o.Measure)
		if to, _, err = s.sums(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%.0f events/s sent, from disk", float64(to-from)/time.Since(began).Seconds()), s.lost(ctx)
}

// begin starts a process beside the gateway, which ends with it.
func (s *site) begin(o Options, p Part) error {
	began, err := start(o, p)
	if err == nil {
		s.beside = append(s.beside, began)
	}
	return err
}

// leave ends the processes beside the gateway.
func (s *site) leave() {
	for _, p := range s.beside {
		p.stop()
	}
	s.beside = nil
}

// sums are how many events the backend has got, and the CPU time of the gateway.
func (s *site) sums(ctx context.Context) (told int64, cpu time.Duration, err error) {
	if s.backend != nil {
		if told, err = s.backend.told(ctx); err != nil {
			return 0, 0, err
		}
	}
	cpu, err = s.Process.CPU()
	return told, cpu, err
}
