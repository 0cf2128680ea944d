package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/logs"
	"castgate/cmd/castgate/internal/process"
	"castgate/server"
	"castgate/server/control"
	"castgate/server/gatewayworker"
	"castgate/server/openfiles"
	"castgate/server/setting"
)

// serveCommand is `castgate serve`.
type serveCommand struct{ settings }

// Run starts the gateway and its control API and serves until a signal or a
// failure. Both listeners are bound before anything is served, so that an
// address in use is reported at once.
func (c *serveCommand) Run(ctx *kong.Context, p *process.Process, src *knob.Sources) error {
	// A closed stderr, a log at ulimit -f or a client that disappears must not
	// end the gateway.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	lines := logs.Queue(p, c.LogFormat)
	e, err := c.resolve(p, src)
	if err != nil {
		return err
	}
	log := e.begin()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	files := raiseFileLimit(log)
	spareProcessors(&e.server)
	inner := innerFiles(e, files)
	audit, err := startAudit(lines, c.LogFormat, e)
	if err != nil {
		return startError(err, src)
	}
	takePassed(e)
	front, err := newFront(e)
	if err != nil {
		return startError(err, src)
	}
	gw, told, err := newServer(e)
	if err != nil {
		return startError(err, src)
	}
	// Half of the descriptors reserved from clients are for backends.
	room := control.PlacesFor(gw.ReserveFiles() / 2)
	var running gateway = gw
	if front != nil {
		front.SetLimits(inner*4/5, inner/5)
		room = control.PlacesFor((gw.ReserveFiles() - inner) / 2)
		e.control.Collectors = append(e.control.Collectors, front)
		running = fronted{gw, front}
	}
	if told.queue != nil {
		running = telling{running, told.queue}
	}
	e.control.MaxConns = min(e.control.MaxConns, room)
	node, refused, err := newClustered(e, gw, running, told.queue)
	if err != nil {
		return startError(err, src)
	}
	var draining atomic.Bool
	e.control.Ready = func() bool { return gw.Ready() && !draining.Load() && node.joined() }
	gw.SetProbe(e.control.Ready)
	again := &reloader{process: *p, log: log, level: e.level, audit: audit, gateway: gw, events: told, controlRoom: room, values: knob.Values(ctx.Model), now: e}
	ctl, err := newControl(e, gw, node, again)
	if err != nil {
		return startError(err, src)
	}
	ends, err := withAdmin(e, gw, node, told.queue, ctl)
	if err != nil {
		return startError(err, src)
	}
	l := lifecycle{
		gateway: node.start(ctl, running), control: ends, refused: refused, signals: signals, log: log,
		draining: &draining, stopDelay: e.stopDelay, drainTimeout: e.server.DrainTimeout,
		reload: func() { _, _ = ctl.Reload(context.Background(), "SIGHUP") }, now: time.Now, tell: tell,
	}
	logStart(log, e, gw, ctl, front, files)
	defer watch(gw, log)()
	return l.run()
}

// watch starts the watchdog and returns what ends it.
func watch(gw *server.Server, log *slog.Logger) (end func()) {
	ended := make(chan struct{})
	go (&watchdog{quiet: gw.Quiet, tell: tell, log: log}).watch(ended)
	return func() { close(ended) }
}

// begin makes the log that of libraries too, logs the warnings and returns it.
func (e *effective) begin() *slog.Logger {
	slog.SetDefault(e.logger) // for libraries that use the default
	for _, w := range e.warnings {
		e.logger.Warn(w)
	}
	return e.logger
}

// logStart logs what is served, and where.
func logStart(log *slog.Logger, e *effective, gw *server.Server, ctl *control.Server, front *gatewayworker.Front, files uint64) {
	log.Info("castgate is serving", "version", version, "listen", listeners(e.server.Listen, gw.Addrs()), "control", ctl.Addr().String(),
		"control_tls", e.control.TLS.Cert != "", "max_conns", gw.MaxConns(), "loops", e.server.Loops, "open_files", files)
	if front != nil {
		log.Info("serving GatewayWorker", "inner", front.Inner().String(), "advertised", front.Address().String(), "register", e.gatewayworker.Register)
	}
}

// raiseFileLimit returns the open-file limit, raised as far as possible.
func raiseFileLimit(log *slog.Logger) uint64 {
	files, err := openfiles.Raise()
	if err != nil {
		log.Warn("the open-file limit could not be raised", "err", err)
	}
	return files
}

// startAudit opens the audit log and gives it to the parts that write to it.
func startAudit(l *logs.Logs, format string, e *effective) (*logs.Audit, error) {
	audit := logs.NewAudit(l, format)
	file, err := audit.Open(e.auditLog)
	if err != nil {
		return nil, setting.Named("audit-log", err)
	}
	audit.Point(e.auditLog, file)
	e.control.Audit, e.gatewayworker.Audit, e.admin.Audit = audit.Source(), audit.Source(), audit.Source()
	e.control.Collectors = append(e.control.Collectors, l)
	return audit, nil
}

// listeners are the listening addresses, each with the scheme of its setting,
// for the log.
func listeners(settings []string, addresses []net.Addr) string {
	var all []string
	for i, a := range addresses {
		scheme, _, named := strings.Cut(settings[i], "://")
		if !named {
			scheme = "ws"
		}
		all = append(all, scheme+"://"+a.String())
	}
	return strings.Join(all, ",")
}

// newFront makes the GatewayWorker front, nil if it is off, and connects the
// server's events to it.
func newFront(e *effective) (*gatewayworker.Front, error) {
	if !e.gatewayworker.On() {
		return nil, nil
	}
	front, err := gatewayworker.New(e.gatewayworker)
	if err != nil {
		return nil, err
	}
	e.server.PeerAddress, e.server.Events = front.Address(), front.Events()
	return front, nil
}

// spareProcessors lets the runtime run goroutines beside busy event loops and
// TLS handshakes. During a broadcast a loop makes one short system call after
// another and seldom releases its processor, and during a flood of handshakes
// there is always one to run. Without a spare processor the runtime would look
// for requests at the control port only every 10 ms; the kernel shares the
// cores in shorter slices. Two processors more than loops improved the median
// answer of the control port beside broadcasts from 9 ms to 0.5 ms
// (BENCHMARKS.md). GOMAXPROCS in the environment takes precedence.
func spareProcessors(c *server.Config) {
	wanted := c.Loops + 2
	if n := c.TLSProcessors(); n > 0 {
		wanted += n + 1
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < wanted {
		runtime.GOMAXPROCS(wanted)
	}
}
