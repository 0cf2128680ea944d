package million

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"castgate/bench/gateway"
	"castgate/internal/machine"
	"castgate/loadtest/address"
	"castgate/loadtest/control"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// Options say what to hold and how. Defaults returns the usual ones.
type Options struct {
	Castgate string   `json:"-"` // the binary
	Revision string   `json:"-"` // of its source, stored with the result
	Swarm    []string `json:"-"` // command of a process that calls Serve
	Listen   string   `json:"listen"`
	Control  string   `json:"control"`
	// Connections each have a uid and belong to one of Groups groups; UIDs is
	// how many randomly chosen uids are pushed to.
	Connections int `json:"connections"`
	Groups      int `json:"groups"`
	UIDs        int `json:"uids"`
	Size        int `json:"size"` // bytes of a message
	// PerProcess is the largest number of connections in one process of the
	// swarm; 0: as many as its open-file limit allows.
	PerProcess int     `json:"per_process"`
	Sources    string  `json:"sources"`
	Rate       float64 `json:"rate"` // connections per second, 0: as fast as they are accepted
	// Idle is the idle time before the process is weighed, Patience how long
	// messages may take.
	Idle     time.Duration `json:"idle_ns"`
	Patience time.Duration `json:"patience_ns"`
	// Pings is for how long pings are counted at the end, at PingInterval; 0: not at all.
	// Trace is for how long strace counts calls after that.
	Pings        time.Duration `json:"pings_ns"`
	PingInterval time.Duration `json:"ping_interval_ns"`
	Trace        time.Duration `json:"trace_ns"`
	// Note is stored with the result: what was special, such as an emulated
	// processor.
	Note string            `json:"note,omitempty"`
	Log  func(line string) `json:"-"` // may be nil

	resting time.Duration // the interval of pings before the end, long enough for none
}

// Defaults is the full size: a million connections in 1,000 groups, 1,000 uids.
// 64 source addresses have enough ports with any kernel's defaults.
func Defaults() Options {
	return Options{
		Listen: "127.0.0.1:7272", Control: "127.0.0.1:7273", Connections: 1_000_000, Groups: 1000, UIDs: 1000,
		Size: 64, Sources: "127.0.0.2-127.0.0.65", Idle: 30 * time.Second, Patience: 10 * time.Minute,
		Pings: time.Minute, PingInterval: 25 * time.Second, Trace: 10 * time.Second, resting: 24 * time.Hour,
	}
}

// connectTimeout is long because an emulated processor stalls.
const connectTimeout = 30 * time.Minute

// play is one run.
type play struct {
	Options
	config  string // the gateway's file of settings
	gateway *gateway.Gateway
	herd    *herd
	result  *Result
	run     uint32
}

// Run holds the connections and returns what it found, with an error if
// something was wrong. When ctx is done it ends early.
func Run(ctx context.Context, o Options) (r *Result, err error) {
	p := &play{Options: o, run: rand.Uint32() | 1,
		result: &Result{Started: time.Now().UTC(), Revision: o.Revision, Machine: machine.This(), Options: o}}
	if err := p.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "castgate-million")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p.config = filepath.Join(dir, "castgate.toml")
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.gateway.Stop()) }()
	room, err := p.gateway.Control.Metric(ctx, "castgate_max_connections")
	if err != nil {
		return nil, err
	}
	if int(room) < o.Connections {
		return nil, fmt.Errorf("castgate's open-file limit has room for %.0f connections, not for %d: raise it (ulimit -n, fs.nr_open), "+
			"or run this in a guest (see make bench-1m)", room, o.Connections)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the swarms if they hang
	if p.herd, err = newHerd(ctx, o.Swarm, o.Connections, p.PerProcess); err != nil {
		return nil, err
	}
	p.result.Swarms = len(p.herd.swarms)
	err = p.steps(ctx)
	if closeErr := p.herd.close(); err == nil {
		err = closeErr
	}
	return p.result, err
}

// start runs the gateway. The first ping comes with the last step: pings say nothing
// about the size of an idle connection, and a million of them every 25 seconds are a
// measurement of their own. They are not off, but their interval is long: without pings
// the gateway looks at every client each 55 seconds, and the kernel probes it.
func (p *play) start(ctx context.Context) (err error) {
	if err := p.writePings(p.resting); err != nil {
		return err
	}
	p.gateway, err = gateway.Start(ctx, gateway.Options{
		Binary: p.Castgate, Listen: []string{p.Listen}, Control: p.Options.Control, Callers: 8, Output: os.Stderr,
		Flags: []string{"--config", p.config, "--handshake-timeout", "60s", "--control-timeout", "60s"},
	})
	return err
}

// check reports the first option that is out of range and determines how many
// connections a process may have.
func (p *play) check() error {
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"connections", p.Connections, 1, swarm.MaxConnections},
		{"groups", p.Groups, 1, p.Connections},
		{"uids", p.UIDs, 0, p.Connections},
		{"size", p.Size, payload.MinSize, 1 << 20},
		{"connections per process", p.PerProcess, 0, swarm.MaxConnections},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s: %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	if p.PerProcess > 0 {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("open-file limit: %w", err)
	}
	const spare = 128 // for everything else in a swarm's process
	p.PerProcess = int(min(limit.Max, swarm.MaxConnections)) - spare
	if p.PerProcess < 1 {
		return fmt.Errorf("open-file limit: %d is too low", limit.Max)
	}
	return nil
}

// steps runs all steps.
func (p *play) steps(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		p.open, p.bind, p.pushToGroups, p.pushToUIDs, p.pushToAll, p.account, p.pingAndCut,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// weigh waits until the process has settled and weighs it.
func (p *play) weigh(ctx context.Context, moment string, rest time.Duration) (gateway.Weight, error) {
	select {
	case <-ctx.Done():
		return gateway.Weight{}, context.Cause(ctx)
	case <-time.After(rest):
	}
	w, err := p.gateway.Weigh(ctx, moment)
	if err == nil {
		p.result.Weights = append(p.result.Weights, w)
		p.log("%s: %.1f MiB PSS, %d connections, %d uids, %d groups, %d goroutines", moment, mib(w.PSS), w.Connections, w.UIDs, w.Groups, w.Goroutines)
	}
	return w, err
}

// open opens the connections.
func (p *play) open(ctx context.Context) error {
	sources, err := address.ParseSources(p.Sources)
	if err != nil {
		return err
	}
	if _, err := p.weigh(ctx, "empty", time.Second); err != nil {
		return err
	}
	begun := time.Now()
	cpu, err := p.gateway.Process.CPU()
	if err != nil {
		return err
	}
	err = p.herd.open(Opening{
		URL: "ws://" + p.Listen + "/", Control: p.Options.Control, Connections: p.Connections, Groups: p.Groups,
		Run: p.run, Rate: p.Rate, Timeout: connectTimeout,
	}, sources, func(opened int64) {
		p.log("%d of %d open, %.0f per second", opened, p.Connections, float64(opened)/time.Since(begun).Seconds())
	})
	if err != nil {
		return err
	}
	p.result.Opening = time.Since(begun)
	after, err := p.gateway.Process.CPU()
	if err != nil {
		return err
	}
	p.result.CPUPerConnect = (after - cpu) / time.Duration(p.Connections)
	w, err := p.weigh(ctx, "bare", p.Idle)
	if err == nil && w.Connections != p.Connections {
		err = fmt.Errorf("castgate reports %d connections, not %d", w.Connections, p.Connections)
	}
	return err
}

// bind gives every connection its uid and group.
func (p *play) bind(ctx context.Context) error {
	begun := time.Now()
	if err := p.herd.call("Bind", p.Groups); err != nil {
		return err
	}
	p.result.Binding = time.Since(begun)
	w, err := p.weigh(ctx, "bound", p.Idle)
	if err == nil && (w.UIDs != p.Connections || w.Groups != p.Groups) {
		err = fmt.Errorf("castgate reports %d uids and %d groups, not %d and %d", w.UIDs, w.Groups, p.Connections, p.Groups)
	}
	return err
}

func (p *play) log(format string, args ...any) {
	if p.Log != nil {
		p.Log(fmt.Sprintf(format, args...))
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// callers is the number of concurrent pushes.
const callers = 4

// patiently repeats a push that castgate refuses because its queues are full.
func (p *play) patiently(ctx context.Context, push func() (control.PushResult, error)) (control.PushResult, error) {
	for begun := time.Now(); ; {
		r, err := push()
		var refused *control.RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || time.Since(begun) > p.Patience {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pushes makes n pushes and returns how many receivers castgate reported.
func (p *play) pushes(ctx context.Context, n int, push func(k int) (control.PushResult, error)) (matched int, err error) {
	var wait sync.WaitGroup
	var adding sync.Mutex
	for c := range callers {
		wait.Go(func() {
			for k := c; k < n; k += callers {
				r, pushErr := p.patiently(ctx, func() (control.PushResult, error) { return push(k) })
				adding.Lock()
				matched += r.Matched
				if pushErr != nil {
					err = pushErr
				}
				failed := err != nil
				adding.Unlock()
				if failed {
					return
				}
			}
		})
	}
	wait.Wait()
	return matched, err
}
