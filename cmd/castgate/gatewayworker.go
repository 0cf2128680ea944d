package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server"
	"castgate/server/capacity"
	"castgate/server/gatewayworker"
	"castgate/server/heartbeat"
	"castgate/server/openfiles"
	"castgate/server/setting"
)

// gatewayworkerSettings are those of the front for PHP code written for
// GatewayWorker.
type gatewayworkerSettings struct {
	GatewayworkerInner         string        `default:"" unit:"ip:port" help:"Inner endpoint for GatewayClient and BusinessWorker; default: off. A non-loopback address needs a secret."`
	GatewayworkerAdvertise     string        `default:"" unit:"ip:port" auto:"gatewayworker-inner" help:"IPv4 address and port under which PHP reaches the inner endpoint, which is part of every client id; default: gatewayworker-inner."`
	GatewayworkerRegister      string        `default:"" unit:"ip:port" help:"Embedded Register; default: off. A non-loopback address needs a secret."`
	GatewayworkerJoin          []string      `unit:"host:port" help:"External Registers to announce this gateway to, separated by commas; default: none."`
	GatewayworkerSecret        string        `default:"" unit:"text or @path" help:"Secret shared with PHP and Registers; @/path reads it from a file."`
	GatewayworkerRouting       string        `default:"least" unit:"least or random" help:"Worker for a new client: the one with the fewest clients, or a random one."`
	GatewayworkerWorkers       string        `default:"auto" unit:"auto, always or never" help:"Whether workers are told what clients do: always, never (they only send), or auto, from the first worker on. While a worker is expected but none is connected, clients wait for one."`
	GatewayworkerWorkerWait    knob.Duration `default:"5s" unit:"duration" help:"How long clients wait for a worker before they are refused or closed; with auto, how long they wait at the start before the gateway assumes there is none. 0 is PHP's behaviour."`
	GatewayworkerRequireWorker bool          `default:"false" unit:"true or false" help:"Deprecated: use --gatewayworker-workers=always."`
	GatewayworkerPingInterval  knob.Duration `default:"0" unit:"duration" help:"GatewayWorker's pingInterval, in addition to ping-interval; 0 is off."`
	GatewayworkerPingLimit     int           `default:"0" unit:"times" help:"GatewayWorker's pingNotResponseLimit: intervals without a message after which a client is dropped; 0 means never."`
	GatewayworkerPingData      string        `default:"" unit:"text" blank:"" help:"GatewayWorker's pingData: the message sent to check that a client is alive."`
}

// phpSendQueue is GatewayWorker's sendToClientBufferSize.
const phpSendQueue = 1_024_000

// phpMaxMessage is GatewayWorker's maxPackageSize.
const phpMaxMessage = 10 << 20

// front reads the settings of the GatewayWorker front into e. An error is a
// *setting.Error.
func (s *settings) front(e *effective) (err error) {
	c := gatewayworker.Defaults()
	c.Inner, c.Advertise, c.Register = s.GatewayworkerInner, s.GatewayworkerAdvertise, s.GatewayworkerRegister
	c.Join, c.Routing = knob.Trimmed(s.GatewayworkerJoin), gatewayworker.Routing(s.GatewayworkerRouting)
	c.ReusePort = s.ReusePort
	c.Workers, c.WorkerWait, c.Log = gatewayworker.Workers(s.GatewayworkerWorkers), time.Duration(s.GatewayworkerWorkerWait), e.logger
	if s.GatewayworkerRequireWorker {
		if c.Workers == gatewayworker.WorkersNever {
			return setting.Errorf("gatewayworker-require-worker", "contradicts --gatewayworker-workers=never")
		}
		c.Workers = gatewayworker.WorkersAlways
	}
	if c.Secret, err = s.gatewayworkerSecret(e); err != nil {
		return setting.Named("gatewayworker-secret", err)
	}
	e.server.Heartbeat = heartbeat.Settings{
		Interval: time.Duration(s.GatewayworkerPingInterval), Limit: s.GatewayworkerPingLimit, Data: s.GatewayworkerPingData,
	}
	e.gatewayworker = c
	return c.Validate()
}

func (s *settings) gatewayworkerSecret(e *effective) (string, error) {
	path, isFile := strings.CutPrefix(s.GatewayworkerSecret, "@")
	if !isFile {
		return s.GatewayworkerSecret, nil
	}
	text, err := e.read(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s holds no key", path)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
		e.warnings = append(e.warnings, fmt.Sprintf("the key file %s can be read by others (mode %04o); chmod go-r it", path, info.Mode().Perm()))
	}
	e.files = append(e.files, path)
	return secret, nil
}

// asPHP applies GatewayWorker's defaults to settings that were not given:
// messages of up to maxPackageSize, and slow clients lose new messages at
// sendToClientBufferSize.
func (e *effective) asPHP(src *knob.Sources) {
	if !e.gatewayworker.On() {
		return
	}
	e.gatewayworker.KeepInit = src.From["init-message"] != ""
	if src.From["send-queue"] == "" {
		e.server.SendQueue = phpSendQueue
	}
	if src.From["max-message"] == "" {
		e.server.MaxMessage = phpMaxMessage
		if burst := e.server.ByteBurst; burst > 0 { // it must hold a message and one read
			e.server.MaxMessage = min(phpMaxMessage, burst-64<<10)
		}
	}
	if src.From["slow-policy"] == "" {
		e.server.SlowPolicy = capacity.SlowDrop
	}
}

// innerFiles returns how many of the open files reserved from clients are for
// connections of PHP and Registers. Unless reserve-files is set, it reserves
// more for them.
func innerFiles(e *effective, open uint64) int {
	switch {
	case !e.gatewayworker.On():
		return 0
	case e.server.ReserveFiles > 0:
		return e.server.ReserveFiles / 2
	}
	n := min(e.gatewayworker.MaxConns*5/4, int(open/8))
	e.server.ReserveFiles = openfiles.ReserveFor(open) + n
	return n
}

// fronted is a gateway with a GatewayWorker front: they run and stop together.
type fronted struct {
	*server.Server
	front *gatewayworker.Front
}

// Run serves both until Shutdown or Stop.
func (f fronted) Run() error {
	served := make(chan error, 1)
	go func() { served <- f.front.Serve(f.Server, f.Server) }()
	ran := make(chan error, 1)
	go func() { ran <- f.Server.Run() }()
	select {
	case err := <-ran:
		return err
	case err := <-served:
		if err == nil {
			return <-ran
		}
		f.Stop()
		return errors.Join(fmt.Errorf("GatewayWorker front: %w", err), <-ran)
	}
}

// Shutdown executes what PHP has sent, closes the clients, and tells workers
// about that. A busy front leaves the clients time for their end.
func (f fronted) Shutdown(ctx context.Context) error {
	drained := f.drainFront(ctx)
	return errors.Join(drained, f.Server.Shutdown(ctx), f.front.Shutdown(ctx))
}

// drainFront gives the front a third of the available time.
func (f fronted) drainFront(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/3)
		defer cancel()
	}
	if err := f.front.Drain(ctx); err != nil {
		return fmt.Errorf("GatewayWorker front: not everything that PHP has sent was executed: %w", err)
	}
	return nil
}
