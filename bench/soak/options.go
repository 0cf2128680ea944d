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
)

// Options say what to hold, for how long and what must not grow. Defaults
// fills in what is usual.
type Options struct {
	Castgate string   `json:"-"` // the binary
	Revision string   `json:"-"` // of its source, kept with the result
	Command  []string `json:"-"` // the command line, kept with the result
	// Output is where the gateway prints.
	Output io.Writer `json:"-"`

	// Length is how long samples are taken, one Every so often; those of the
	// Warmup don't count for trends.
	Length time.Duration `json:"length_ns"`
	Warmup time.Duration `json:"warmup_ns"`
	Every  time.Duration `json:"every_ns"`
	// Schemes are those of the gateway's listeners, ws and wss; connections go
	// to them in turn.
	Schemes []string `json:"schemes"`
	// Connections, of which Stay are never replaced, each with a uid and in
	// one of Groups groups.
	Connections int `json:"connections"`
	Stay        int `json:"stay"`
	Groups      int `json:"groups"`
	// Replace is how many connections a second come and go, Broken the part
	// of them that are reset instead of saying goodbye.
	Replace float64 `json:"replace"`
	Broken  float64 `json:"broken"`
	// Broadcasts, GroupPushes and Unicasts a second, each of Size bytes.
	Broadcasts  float64 `json:"broadcasts"`
	GroupPushes float64 `json:"group_pushes"`
	Unicasts    float64 `json:"unicasts"`
	Size        int     `json:"size"`
	Sources     string  `json:"sources"` // addresses that clients come from
	// Tide is how long the same goes on before anything is weighed, Rest how
	// long the gateway may rest after everybody has left, Patience how long
	// messages may take.
	Tide     time.Duration `json:"tide_ns"`
	Rest     time.Duration `json:"rest_ns"`
	Patience time.Duration `json:"patience_ns"`
	// Slack is by how many bytes its memory may be above the start at the end.
	Slack int64 `json:"slack"`

	// Log is told what goes on, a line at a time, Seen of every sample and how
	// many messages the swarm had received then. Both may be nil.
	Log  func(line string)              `json:"-"`
	Seen func(s Sample, received int64) `json:"-"`

	weigh weigh // for tests: in place of weighing the gateway
}

// Defaults are 20 minutes of 200 connections a second. With half of 2,000
// connections staying the others live for five seconds.
func Defaults() Options {
	return Options{
		Length: 20 * time.Minute, Every: time.Second, Schemes: []string{"ws", "wss"},
		Connections: 2000, Stay: 1000, Groups: 100, Replace: 200, Broken: 0.5,
		Broadcasts: 5, GroupPushes: 50, Unicasts: 100, Size: 256, Sources: "127.0.0.2-127.0.0.17",
		Tide: 5 * time.Second, Rest: 10 * time.Second, Patience: 30 * time.Second, Slack: 4 << 20,
	}
}

// maxLength keeps samples, and the file of a result, in bounds.
const (
	maxLength  = 24 * time.Hour
	maxSamples = 100_000
)

// Check reports the first option that is out of its range. A Warmup of 0
// becomes a fifth of the length.
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
		{"connections", float64(o.Connections), 2, loadtest.MaxConnections},
		{"connections that stay", float64(o.Stay), 0, float64(o.Connections - 1)},
		{"groups", float64(o.Groups), 1, float64(o.Connections)},
		{"connections replaced a second", o.Replace, 0.01, 1e6},
		{"part of them that is reset", o.Broken, 0, 1},
		{"broadcasts a second", o.Broadcasts, 0.01, 1e6},
		{"pushes to groups a second", o.GroupPushes, 0, 1e6},
		{"unicasts a second", o.Unicasts, 0, 1e6},
		{"size", float64(o.Size), loadtest.MinPayload, 1 << 20},
		{"slack", float64(o.Slack), 0, 1 << 40},
	} {
		if !(n.value >= n.least && n.value <= n.most) { // not a number either
			return fmt.Errorf("%s: %v is not between %v and %v", n.name, n.value, n.least, n.most)
		}
	}
	if o.Length/o.Every > maxSamples {
		return fmt.Errorf("every: a sample every %v for %v are more than %d", o.Every, o.Length, maxSamples)
	}
	for _, scheme := range o.Schemes {
		if scheme != "ws" && scheme != "wss" {
			return fmt.Errorf("schemes: %q is neither ws nor wss", scheme)
		}
	}
	if len(o.Schemes) == 0 {
		return errors.New("schemes: none")
	}
	_, err := loadtest.ParseSources(o.Sources)
	return err
}

// flags of the gateway. Clients that stay five seconds shall be pinged too.
var flags = []string{"--log-level", "warn", "--ping-interval", "2s", "--ping-timeout", "20s"}

// start runs the gateway with a certificate in dir, and returns what swarms
// are to be opened on its listeners.
func (o *Options) start(ctx context.Context, dir string) (*gateway.Gateway, loadtest.Config, error) {
	swarm := loadtest.Config{Connections: o.Connections}
	var err error
	if swarm.Sources, err = loadtest.ParseSources(o.Sources); err != nil {
		return nil, swarm, err
	}
	if err := gateway.WriteCertificate(dir); err != nil {
		return nil, swarm, err
	}
	if swarm.TLS, err = gateway.Trust(dir); err != nil {
		return nil, swarm, err
	}
	addrs, err := gateway.FreeAddrs(len(o.Schemes) + 1)
	if err != nil {
		return nil, swarm, err
	}
	var listen []string
	for i, scheme := range o.Schemes {
		listen = append(listen, scheme+"://"+addrs[i])
		swarm.URLs = append(swarm.URLs, scheme+"://"+addrs[i]+"/")
	}
	given := flags
	if slices.Contains(o.Schemes, "wss") {
		given = append([]string{"--tls-cert", filepath.Join(dir, gateway.CertFile), "--tls-key", filepath.Join(dir, gateway.KeyFile)}, flags...)
	}
	g, err := gateway.Start(ctx, gateway.Options{
		Binary: o.Castgate, Listen: listen, Control: addrs[len(o.Schemes)], Callers: 16, Output: o.Output, Flags: given,
	})
	return g, swarm, err
}

// plan is that of the traffic against a gateway.
func (o *Options) plan(g *gateway.Gateway, swarm loadtest.Config) loadtest.Plan {
	return loadtest.Plan{
		Swarm: swarm, Control: g.Control, PID: g.Process.PID, Bind: true, Groups: o.Groups,
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
