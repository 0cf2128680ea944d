package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"castgate/bench/gateway"
	"castgate/loadtest"
	"castgate/loadtest/address"
	"castgate/loadtest/payload"
	"castgate/loadtest/swarm"
)

// Options say what to hold, for how long, and what must not grow. Defaults
// returns the usual ones.
type Options struct {
	Castgate string   `json:"-"` // the binary
	Revision string   `json:"-"` // of its source, stored with the result
	Command  []string `json:"-"` // the command line, stored with the result
	// Output receives what the gateway prints.
	Output io.Writer `json:"-"`

	// Length is how long samples are taken, at intervals of Every; those during
	// Warmup do not count for trends.
	Length time.Duration `json:"length_ns"`
	Warmup time.Duration `json:"warmup_ns"`
	Every  time.Duration `json:"every_ns"`
	// Schemes are those of the gateway's listeners, ws and wss; connections use
	// them in turn.
	Schemes []string `json:"schemes"`
	// Connections, of which Stay are never replaced, each have a uid and belong
	// to one of Groups groups.
	Connections int `json:"connections"`
	Stay        int `json:"stay"`
	Groups      int `json:"groups"`
	// Replace is how many connections per second come and go, Broken the share
	// of them that is reset instead of closed.
	Replace float64 `json:"replace"`
	Broken  float64 `json:"broken"`
	// Broadcasts, GroupPushes and Unicasts are per second, each of Size bytes.
	Broadcasts  float64 `json:"broadcasts"`
	GroupPushes float64 `json:"group_pushes"`
	Unicasts    float64 `json:"unicasts"`
	Size        int     `json:"size"`
	Sources     string  `json:"sources"` // addresses that clients come from
	// Tide is how long the same traffic runs before anything is weighed, Rest
	// how long the gateway may settle after everybody has left, Patience how
	// long messages may take.
	Tide     time.Duration `json:"tide_ns"`
	Rest     time.Duration `json:"rest_ns"`
	Patience time.Duration `json:"patience_ns"`
	// Slack is by how many bytes memory at the end may exceed that at the
	// start.
	Slack int64 `json:"slack"`

	// Log receives lines about what happens; Seen is called for every sample,
	// with the number of messages that the swarm had received. Both may be nil.
	Log  func(line string)              `json:"-"`
	Seen func(s Sample, received int64) `json:"-"`

	weigh weigh // for tests: replaces weighing the gateway
}

// Defaults are 20 minutes of 200 connections per second. With half of 2,000
// connections staying, the others live for five seconds.
func Defaults() Options {
	return Options{
		Length: 20 * time.Minute, Every: time.Second, Schemes: []string{"ws", "wss"},
		Connections: 2000, Stay: 1000, Groups: 100, Replace: 200, Broken: 0.5,
		Broadcasts: 5, GroupPushes: 50, Unicasts: 100, Size: 256, Sources: "127.0.0.2-127.0.0.17",
		Tide: 5 * time.Second, Rest: 10 * time.Second, Patience: 30 * time.Second, Slack: 4 << 20,
	}
}

// maxLength bounds the samples and the size of a result's file.
const (
	maxLength  = 24 * time.Hour
	maxSamples = 100_000
)

// Check reports the first option that is out of range. A Warmup of 0 becomes a
// fifth of the length.
func (o *Options) Check() error {
	if o.Warmup == 0 {
		o.Warmup = o.Length / 5
	}
	for _, d := range []struct {
		name               string
		value, least, most time.Duration
	}{
		{"length", o.Length, time.Second, maxLength},
		{"every", o.Every, 10 * time.Millisecond, time.Minute},
		{"warm-up", o.Warmup, 0, o.Length},
		{"tide", o.Tide, 100 * time.Millisecond, maxLength},
		{"rest", o.Rest, 0, maxLength},
		{"patience", o.Patience, time.Second, maxLength},
	} {
		if d.value < d.least || d.value > d.most {
			return fmt.Errorf("%s: %v is not between %v and %v", d.name, d.value, d.least, d.most)
		}
	}
	for _, n := range []struct {
		name               string
		value, least, most float64
	}{
		{"connections", float64(o.Connections), 2, swarm.MaxConnections},
		{"connections that stay", float64(o.Stay), 0, float64(o.Connections - 1)},
		{"groups", float64(o.Groups), 1, float64(o.Connections)},
		{"connections replaced per second", o.Replace, 0.01, 1e6},
		{"share of them that is reset", o.Broken, 0, 1},
		{"broadcasts per second", o.Broadcasts, 0.01, 1e6},
		{"pushes to groups per second", o.GroupPushes, 0, 1e6},
		{"unicasts per second", o.Unicasts, 0, 1e6},
		{"size", float64(o.Size), payload.MinSize, 1 << 20},
		{"slack", float64(o.Slack), 0, 1 << 40},
	} {
		if !(n.value >= n.least && n.value <= n.most) { // also rejects NaN
			return fmt.Errorf("%s: %v is not between %v and %v", n.name, n.value, n.least, n.most)
		}
	}
	if o.Length/o.Every > maxSamples {
		return fmt.Errorf("every: a sample every %v for %v makes more than %d", o.Every, o.Length, maxSamples)
	}
	for _, scheme := range o.Schemes {
		if scheme != "ws" && scheme != "wss" {
			return fmt.Errorf("schemes: %q is neither ws nor wss", scheme)
		}
	}
	if len(o.Schemes) == 0 {
		return errors.New("schemes: none")
	}
	_, err := address.ParseSources(o.Sources)
	return err
}

// Flags of the gateway. Clients that stay for five seconds should be pinged
// too.
var flags = []string{"--log-level", "warn", "--ping-interval", "2s", "--ping-timeout", "20s"}

// start runs the gateway with a certificate in dir, and returns it with the
// configuration of swarms for its listeners.
func (o *Options) start(ctx context.Context, dir string) (*gateway.Gateway, swarm.Config, error) {
	crowd := swarm.Config{Connections: o.Connections}
	var err error
	if crowd.Sources, err = address.ParseSources(o.Sources); err != nil {
		return nil, crowd, err
	}
	if err := gateway.WriteCertificate(dir); err != nil {
		return nil, crowd, err
	}
	if crowd.TLS, err = gateway.Trust(dir); err != nil {
		return nil, crowd, err
	}
	addrs, err := gateway.FreeAddrs(len(o.Schemes) + 1)
	if err != nil {
		return nil, crowd, err
	}
	var listen []string
	for i, scheme := range o.Schemes {
		listen = append(listen, scheme+"://"+addrs[i])
		crowd.URLs = append(crowd.URLs, scheme+"://"+addrs[i]+"/")
	}
	given := flags
	if slices.Contains(o.Schemes, "wss") {
		given = append([]string{"--tls-cert", filepath.Join(dir, gateway.CertFile), "--tls-key", filepath.Join(dir, gateway.KeyFile)}, flags...)
	}
	g, err := gateway.Start(ctx, gateway.Options{
		Binary: o.Castgate, Listen: listen, Control: addrs[len(o.Schemes)], Callers: 16, Output: o.Output, Flags: given,
	})
	return g, crowd, err
}

// plan is the traffic against a gateway.
func (o *Options) plan(g *gateway.Gateway, crowd swarm.Config) loadtest.Plan {
	return loadtest.Plan{
		Swarm: crowd, Control: g.Control, PID: g.Process.PID, Bind: true, Groups: o.Groups,
		Rate: o.Broadcasts, For: o.Length, Size: o.Size, Callers: 1,
		Replace: o.Replace, Broken: o.Broken, Stay: o.Stay,
		GroupRate: o.GroupPushes, UnicastRate: o.Unicasts, Patience: o.Patience,
	}
}

func (o *Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}
