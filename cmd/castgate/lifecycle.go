package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"castgate/cmd/castgate/internal/process"
)

// controlGrace is how long requests of the control API that have begun may take
// once the gateway has stopped.
const controlGrace = 2 * time.Second

// stopGrace is how much longer something that has exceeded its time limit may
// take to end by itself; then the program exits anyway.
const stopGrace = 2 * time.Second

// sameSignal is how long after the first signal to stop another one counts as
// the same: timeout, make and a terminal may signal both the process and its
// group.
const sameSignal = time.Second

// gateway is the part of *server.Server that lifecycle uses.
type gateway interface {
	Run() error
	Shutdown(ctx context.Context) error
	Stop()
}

// controlPort is the part of *control.Server that lifecycle uses.
type controlPort interface {
	Serve() error
	Leave()
	HandOver()
	Shutdown(ctx context.Context) error
}

// lifecycle runs a gateway and its control API, both already bound, from
// readiness to the end of the program.
type lifecycle struct {
	gateway      gateway
	control      controlPort
	signals      <-chan os.Signal
	log          *slog.Logger
	draining     *atomic.Bool // makes /readyz answer 503
	stopDelay    time.Duration
	drainTimeout time.Duration
	refused      <-chan error // an end at the start, such as a number that is taken; may be nil
	reload       func()       // reloads the configuration and logs the result
	now          func() time.Time
	tell         func(state string) // tells the supervisor about a change

	asked        time.Time // when the first signal to stop arrived
	gatewayEnded chan error
	controlEnded chan error
}

// run serves until SIGTERM or SIGINT, then drains. The error has the exit code:
// exitFailed after a second signal, exitAbnormal after an unexpected end.
func (l *lifecycle) run() error {
	l.gatewayEnded, l.controlEnded = make(chan error, 1), make(chan error, 1)
	go func() { l.gatewayEnded <- l.gateway.Run() }()
	go func() { l.controlEnded <- l.control.Serve() }()
	hangups := make(chan struct{}, 1) // one reload runs, another may wait
	defer close(hangups)
	go func() {
		for range hangups {
			l.tell(reloading())
			l.reload()
			l.tell(daemon.SdNotifyReady)
		}
	}()
	l.tell(daemon.SdNotifyReady) // both listen, so connections now at most wait
	for {
		select {
		case err := <-l.gatewayEnded:
			return l.abnormal("the gateway ended without being asked", err)
		case err := <-l.controlEnded:
			l.cutOff()
			return l.abnormal("the control API ended without being asked", err)
		case err := <-l.refused:
			l.cutOff()
			return process.Failf(process.ExitFailed, "%w", err)
		case sig := <-l.signals:
			if sig != syscall.SIGHUP {
				return l.stop(sig)
			}
			select {
			case hangups <- struct{}{}:
			default: // the waiting one will read the same files
			}
		}
	}
}

// abnormal reports an unexpected end in the log and on stderr: the log level
// may hide it from somebody who started the program by hand.
func (l *lifecycle) abnormal(what string, err error) error {
	if err == nil {
		err = errors.New("no error was given")
	}
	l.log.Error(what, "err", err)
	return &process.Exit{Code: process.ExitAbnormal, Err: errors.New(what + ": " + err.Error())}
}

// stop stops in order: not ready, but still serving for stopDelay; the gateway
// drains while the control API still answers; then the control API.
func (l *lifecycle) stop(sig os.Signal) error {
	l.asked = l.now()
	l.draining.Store(true)
	l.control.Leave()
	l.tell(daemon.SdNotifyStopping)
	if l.stopDelay > 0 {
		l.log.Info("stopping: no longer ready, still accepting clients", "signal", sig.String(), "stop_delay", l.stopDelay.String())
		if err := l.delay(); err != nil {
			return err
		}
	}
	l.log.Info("draining", "signal", sig.String(), "timeout", l.drainTimeout.String())
	l.control.HandOver()
	ctx, cancel := context.WithTimeout(context.Background(), l.drainTimeout)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- l.gateway.Shutdown(ctx) }()
	if err := l.wait(ctx, drained, "drained", "drain-timeout passed; remaining clients were disconnected"); err != nil {
		return err
	}
	l.cutOff()

	grace, cancel := context.WithTimeout(context.Background(), controlGrace)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- l.control.Shutdown(grace) }()
	return l.wait(grace, closed, "stopped", "control requests were aborted")
}

// cutOff ends the gateway at once, and does not wait if it hangs.
func (l *lifecycle) cutOff() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.gateway.Stop()
	}()
	select {
	case <-ended:
	case <-time.After(stopGrace):
		l.log.Error("the gateway did not stop in time; exiting anyway")
	}
}

// delay waits for stopDelay, or until another SIGTERM or SIGINT ends it; one
// more is then the second signal of the drain.
func (l *lifecycle) delay() error {
	over := time.NewTimer(l.stopDelay)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return nil
		case err := <-l.gatewayEnded:
			return l.abnormal("the gateway ended without being asked", err)
		case err := <-l.controlEnded:
			l.cutOff()
			return l.abnormal("the control API ended without being asked", err)
		case sig := <-l.signals:
			if l.ignored(sig) {
				continue
			}
			l.log.Info("the stop delay was cut short", "signal", sig.String())
			l.asked = l.now()
			return nil
		}
	}
}

// ignored reports, and logs, that a signal has no effect during a stop.
func (l *lifecycle) ignored(sig os.Signal) bool {
	switch {
	case sig == syscall.SIGHUP:
		l.log.Info("SIGHUP ignored: the gateway is stopping")
	case l.now().Sub(l.asked) < sameSignal:
		l.log.Info("signal ignored: it follows the first one too closely", "signal", sig.String(), "within", sameSignal.String())
	default:
		return false
	}
	return true
}

// wait waits for one step of the stop and logs its result, but not longer than
// stopGrace after ctx. Another SIGTERM or SIGINT meanwhile ends the program at
// once, unless it counts as the same signal.
func (l *lifecycle) wait(ctx context.Context, done <-chan error, well, cut string) error {
	var late <-chan time.Time
	over := ctx.Done()
	for {
		select {
		case err := <-done:
			if err != nil {
				l.log.Warn(cut, "err", err)
			} else {
				l.log.Info(well)
			}
			return nil
		case <-over:
			over, late = nil, time.After(stopGrace)
		case <-late:
			l.log.Error(cut, "err", "gave up waiting for it to end")
			return nil
		case sig := <-l.signals:
			if !l.ignored(sig) {
				go l.gateway.Stop() // as far as it gets
				return process.Failf(process.ExitFailed, "%s again: stopping at once without draining", sig)
			}
		}
	}
}
