package server

import (
	"fmt"
	"log/slog"

	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// pollerLog takes what gnet's pollers say of errors. Their own logger would
// write it to stdout from an event loop, which would then wait for whoever reads
// that instead of ending with the error.
type pollerLog struct{ log *slog.Logger }

// logPollers has the pollers of this process write to log from now on; gnet
// has one logger for all of them.
func logPollers(log *slog.Logger) {
	logging.SetDefaultLoggerAndFlusher(pollerLog{log}, func() error { return nil })
}

// Debugf implements gnet's Logger.
func (p pollerLog) Debugf(format string, args ...any) {
	p.log.Debug("poller", "message", fmt.Sprintf(format, args...))
}

// Infof implements gnet's Logger.
func (p pollerLog) Infof(format string, args ...any) {
	p.log.Info("poller", "message", fmt.Sprintf(format, args...))
}

// Warnf implements gnet's Logger.
func (p pollerLog) Warnf(format string, args ...any) {
	p.log.Warn("poller", "message", fmt.Sprintf(format, args...))
}

// Errorf implements gnet's Logger.
func (p pollerLog) Errorf(format string, args ...any) {
	p.log.Error("poller", "message", fmt.Sprintf(format, args...))
}

// Fatalf implements gnet's Logger. It does not end the process, as gnet's own
// does: the poller's error ends the loop, and that the process.
func (p pollerLog) Fatalf(format string, args ...any) { p.Errorf(format, args...) }
