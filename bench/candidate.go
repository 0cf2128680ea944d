package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"castgate/bench/gateway"
	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// Names of the servers.
const (
	Castgate = "castgate"
	Floor    = "floor"
	// FloorGo is the floor in Go. It is measured only when it is asked for.
	FloorGo    = "floor-go"
	Gorilla    = "gorilla"
	GWS        = "gws"
	Gnet       = "gnet"
	Centrifuge = "centrifuge"
	Nchan      = "nchan"
	// Noop holds no WebSockets: control ports are compared with it.
	Noop = "noop"
)

// candidate is a server that can be measured: how it is obtained, started,
// joined by clients and ordered to broadcast.
type candidate struct {
	name string
	// of is the server whose program is used, "" for its own; see variants.
	of string
	// module is the directory, relative to the root, of the Go module that it
	// is built from, and source the package in it. Both are empty if obtain
	// finds it.
	module, source string
	// obtain returns the path of a program that is not built from one Go package.
	// It may put files into dir. An error other than *SkipError ends the run.
	obtain func(ctx context.Context, root, dir string) (string, error)
	// prepare writes what the program needs into dir, which is removed when the
	// program has ended, and returns the program's arguments. clients and
	// control are the addresses to listen on, host:port.
	prepare func(dir, clients, control string) (args []string, err error)
	// path is the path of the URL that clients request.
	path string
	// secure says that clients use TLS, with the certificate that prepare has
	// written into dir.
	secure bool
	// configure adapts the swarm's settings. May be nil.
	configure func(*swarm.Config)
	// broadcast returns what pushes to everybody. nil means Control.Broadcast.
	broadcast func(control string, callers int) control.Pusher
}

// candidates in the order of measurement.
var candidates = []candidate{
	{name: Castgate, module: ".", source: "./cmd/castgate", prepare: command("serve"), path: "/"},
	{name: Floor, obtain: obtainFloor, prepare: command(), path: "/"},
	{name: FloorGo, module: ".", source: "./bench/floor", prepare: command(), path: "/"},
	{name: Gorilla, module: rivals, source: "./gorilla", prepare: command(), path: "/"},
	{name: GWS, module: rivals, source: "./gws", prepare: command(), path: "/"},
	{name: Gnet, module: rivals, source: "./gnet", prepare: command(), path: "/"},
	{name: Centrifuge, module: rivals, source: "./centrifuge", prepare: command(), path: "/", configure: speakCentrifuge},
	{name: Nchan, obtain: findNginx, prepare: prepareNchan, path: "/", configure: speakNchan, broadcast: publishNchan},
	{name: Noop, module: rivals, source: "./noop", prepare: command(), path: "/"},
}

// rivals is the directory of the module that rivals are built from, so that
// castgate's own go.mod does not require theirs.
const rivals = "bench/rivals"

// SkipError says why a server cannot be measured on this machine. Others can.
type SkipError struct {
	Server string
	Err    error
}

// Error implements the error interface.
func (e *SkipError) Error() string { return fmt.Sprintf("%s: %v", e.Server, e.Err) }

// Unwrap returns the reason.
func (e *SkipError) Unwrap() error { return e.Err }

// command prepares a program that gets its addresses by flags.
func command(first ...string) func(dir, clients, control string) ([]string, error) {
	return func(_, clients, control string) ([]string, error) {
		return append(slices.Clone(first), "--listen", clients, "--control", control), nil
	}
}

// find returns the candidate or variant of that name, nil if there is none.
func find(name string) *candidate {
	for _, list := range [][]candidate{candidates, variants} {
		if i := slices.IndexFunc(list, func(c candidate) bool { return c.name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// programOf returns the server whose program is started under a name.
func programOf(name string) string {
	if c := find(name); c != nil && c.of != "" {
		return c.of
	}
	return name
}

// IsOurs reports whether figures under this server's name are castgate's,
// however it was started.
func IsOurs(server string) bool { return programOf(server) == Castgate }

// isRival reports whether a server is neither ours nor a baseline: its faults
// are results.
func isRival(name string) bool {
	return !slices.Contains([]string{Castgate, Floor, FloorGo, Noop}, programOf(name))
}

// names are those of all candidates.
func names() (all []string) {
	for _, c := range candidates {
		all = append(all, c.name)
	}
	return all
}

// build builds a server's program in dir, or finds it, and returns its path. If
// a rival is unavailable, the error is a *SkipError.
func build(ctx context.Context, root, dir, name string) (string, error) {
	c := find(name)
	if c == nil {
		return "", fmt.Errorf("unknown server %q; known servers: %v", name, names())
	}
	if c.obtain != nil {
		return c.obtain(ctx, root, dir)
	}
	binary, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	if err := goBuild(ctx, filepath.Join(root, c.module), c.source, binary); err != nil {
		if ctx.Err() == nil && isRival(name) {
			return "", &SkipError{name, err}
		}
		return "", err
	}
	return binary, nil
}

// goBuild builds a program of the module in dir. Errors name the binary.
func goBuild(ctx context.Context, dir, source, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, source)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", filepath.Base(binary), err, out)
	}
	return nil
}

// speakCentrifuge adapts to a server of Centrifuge's JSON protocol: clients
// begin with a connect command, whose reply replaces the init message, and one
// message from the server is one or more lines of JSON, of which those with a
// payload are
//
//	{"push":{"channel":"all","pub":{"data":"payload"}}}
func speakCentrifuge(c *swarm.Config) {
	c.NoInit = true
	c.Greeting = []byte(`{"id":1,"connect":{}}`)
	c.Unwrap = unwrapCentrifuge
}

var (
	dataBegins = []byte(`"data":"`)
	dataEnds   = []byte(`"`)
)

func unwrapCentrifuge(rest []byte) (payload, after []byte) {
	_, rest, found := bytes.Cut(rest, dataBegins)
	if !found {
		return nil, nil
	}
	payload, after, found = bytes.Cut(rest, dataEnds)
	if !found {
		return nil, nil
	}
	return payload, after
}

// Names of servers that are started in another way. They cannot be requested by
// name: the scenario cost compares them with the original server.
const (
	CastgateDeflate    = "castgate deflate"
	CastgateWSS        = "castgate wss"
	CastgateWSSDeflate = "castgate wss deflate"
	GorillaWSS         = "gorilla wss"
)

// variants are candidates that use another one's program.
var variants = []candidate{
	{name: CastgateDeflate, of: Castgate, prepare: command("serve", "--compress"), path: "/", configure: speakDeflate},
	{name: CastgateWSS, of: Castgate, prepare: secured("wss://", "serve"), path: "/", secure: true},
	{name: CastgateWSSDeflate, of: Castgate, prepare: secured("wss://", "serve", "--compress"), path: "/", secure: true, configure: speakDeflate},
	{name: GorillaWSS, of: Gorilla, prepare: secured(""), path: "/", secure: true},
}

// secured prepares a program that uses TLS with clients; its address begins
// with the scheme.
func secured(scheme string, first ...string) func(dir, clients, control string) ([]string, error) {
	return func(dir, clients, control string) ([]string, error) {
		if err := gateway.WriteCertificate(dir); err != nil {
			return nil, err
		}
		args, err := command(first...)(dir, scheme+clients, control)
		return append(args, "--tls-cert", filepath.Join(dir, gateway.CertFile), "--tls-key", filepath.Join(dir, gateway.KeyFile)), err
	}
}

// speakDeflate makes clients offer permessage-deflate.
func speakDeflate(c *swarm.Config) { c.Compress = true }
