package main

import (
	"bytes"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// systemd is told twice in each interval, but not while a loop hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var quiet, told atomic.Int64
		var log bytes.Buffer
		w := watchdog{
			interval: 10 * time.Second, log: slog.New(slog.NewTextHandler(&log, nil)),
			quiet: func() time.Duration { return time.Duration(quiet.Load()) },
			tell: func(state string) {
				if state != "WATCHDOG=1" {
					t.Errorf("told %q", state)
				}
				told.Add(1)
			},
		}
		stop := make(chan struct{})
		go w.run(stop)
		time.Sleep(21 * time.Second)
		if n := told.Load(); n != 5 {
			t.Errorf("told %d times in 21 s, want 5", n)
		}
		quiet.Store(int64(5 * time.Second))
		time.Sleep(time.Minute)
		if n := told.Load(); n != 5 {
			t.Errorf("told %d times while a loop hangs", n-5)
		}
		quiet.Store(0)
		time.Sleep(10 * time.Second)
		close(stop)
		synctest.Wait()
		if n := told.Load(); n != 7 {
			t.Errorf("told %d times in the 10 s after it went on, want 2", n-5)
		}
		if n := strings.Count(log.String(), "hangs"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, &log)
		}
	})
}

// Without WATCHDOG_USEC, or with that of another process, nothing is told; a broken one
// is in the log.
func TestWatchdogIsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		usec, pid string
		warns     bool
	}{{"", "", false}, {"1000000", strconv.Itoa(os.Getppid()), false}, {"soon", "", true}} {
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		for _, name := range []string{"WATCHDOG_USEC", "WATCHDOG_PID"} {
			if os.Getenv(name) == "" {
				os.Unsetenv(name)
			}
		}
		var log bytes.Buffer
		w := watchdog{log: slog.New(slog.NewTextHandler(&log, nil)), tell: func(state string) { t.Errorf("%+v: told %s", tt, state) }}
		w.watch(nil) // returns
		if (log.Len() > 0) != tt.warns {
			t.Errorf("%+v: the log is %q", tt, &log)
		}
	}
}
