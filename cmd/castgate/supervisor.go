package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// passedSockets are the sockets that systemd has passed to this process, by
// name (sd_listen_fds(3)).
func passedSockets() map[string][]*os.File {
	passed := map[string][]*os.File{}
	for _, f := range activation.Files(true) {
		passed[f.Name()] = append(passed[f.Name()], f)
	}
	return passed
}

// takePassed gives the passed sockets to the listeners.
func takePassed(e *effective) {
	passed := passedSockets()
	e.server.Passed, e.control.Passed = passed, passed
	warnOfUnused(e.logger, passed, append(slices.Clone(e.server.Listen), e.control.Listen)...)
}

// warnOfUnused warns of passed sockets that no setting names: connections to
// them would wait forever.
func warnOfUnused(log *slog.Logger, passed map[string][]*os.File, addresses ...string) {
	for name := range passed {
		if !slices.ContainsFunc(addresses, func(a string) bool { return strings.HasSuffix(a, "fd:"+name) }) {
			log.Warn("no listener uses this passed socket", "name", name, "use", "--listen fd:"+name)
		}
	}
}

// tell informs systemd of a change (sd_notify(3)), if it has asked for that, as
// it does for units with Type=notify or notify-reload.
func tell(state string) {
	_, _ = daemon.SdNotify(false, state)
}

// reloading is the state for tell when a reload begins; it ends with
// daemon.SdNotifyReady.
func reloading() string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, time.Duration(now.Nano()).Microseconds())
}
