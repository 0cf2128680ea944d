package main

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchdog tells systemd that the event loops go on, for units with WatchdogSec. If a
// loop hangs it says nothing, and systemd restarts the gateway.
type watchdog struct {
	interval time.Duration        // systemd's patience
	quiet    func() time.Duration // for how long a loop has not ticked
	tell     func(state string)
	log      *slog.Logger
}

// watch runs the watchdog until stop is closed, if systemd has asked for one.
func (w *watchdog) watch(stop <-chan struct{}) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		w.log.Warn("systemd's watchdog will get no answers", "err", err)
	}
	if interval > 0 {
		w.interval = interval
		w.run(stop)
	}
}

// run answers twice in each interval, as sd_watchdog_enabled(3) recommends, unless a
// loop has been quiet for half of it.
func (w *watchdog) run(stop <-chan struct{}) {
	each := time.NewTicker(w.interval / 2)
	defer each.Stop()
	silent := false
	for {
		switch quiet := w.quiet(); {
		case quiet < w.interval/2:
			silent = false
			w.tell(daemon.SdNotifyWatchdog)
		case !silent:
			silent = true
			w.log.Error("an event loop hangs: systemd's watchdog gets no answer", "quiet", quiet.String(), "watchdog", w.interval.String())
		}
		select {
		case <-each.C:
		case <-stop:
			return
		}
	}
}
