package main

import (
	"strings"
	"testing"

	"castgate/server/capacity"
	"castgate/server/gatewayworker"
)

// With the inner port on, clients get PHP's defaults unless a setting says
// otherwise, and the older name of a setting still has its meaning.
func TestGatewayWorkerDefaults(t *testing.T) {
	const inner = "--gatewayworker-inner 127.0.0.1:2900"
	for _, tt := range []struct {
		args     string
		message  int
		slow     capacity.SlowPolicy
		workers  gatewayworker.Workers
		keepInit bool
	}{
		{"", 64 << 10, capacity.SlowClose, gatewayworker.WorkersAuto, false},
		{inner, 10 << 20, capacity.SlowDrop, gatewayworker.WorkersAuto, false},
		{inner + " --max-message 64KiB --slow-policy close", 64 << 10, capacity.SlowClose, gatewayworker.WorkersAuto, false},
		{inner + " --byte-rate 1MiB --byte-burst 1MiB", 1<<20 - 64<<10, capacity.SlowDrop, gatewayworker.WorkersAuto, false},
		{inner + " --gatewayworker-require-worker", 10 << 20, capacity.SlowDrop, gatewayworker.WorkersAlways, false},
		{inner + " --gatewayworker-workers never --init-message hello", 10 << 20, capacity.SlowDrop, gatewayworker.WorkersNever, true},
	} {
		e, err := resolved(t, strings.Fields(tt.args), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		s, g := &e.server, &e.gatewayworker
		if s.MaxMessage != tt.message || s.SlowPolicy != tt.slow || g.Workers != tt.workers || g.KeepInit != tt.keepInit {
			t.Errorf("%s: %d, %s, %s, %v", tt.args, s.MaxMessage, s.SlowPolicy, g.Workers, g.KeepInit)
		}
	}
	for args, want := range map[string]string{
		inner + " --gatewayworker-workers perhaps":                              "gatewayworker-workers",
		inner + " --gatewayworker-worker-wait 2h":                               "gatewayworker-worker-wait",
		inner + " --gatewayworker-workers never --gatewayworker-require-worker": "gatewayworker-require-worker",
		"--gatewayworker-workers never":                                         "gatewayworker-workers",
	} {
		if _, err := resolved(t, strings.Fields(args), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
