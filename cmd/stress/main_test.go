package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for name, tt := range map[string]struct {
		args           string
		code           int
		stdout, stderr string
	}{
		"help":        {"--help", 0, "--length=1m", ""},
		"list":        {"--list", 0, "churn ", ""},
		"no scenario": {"slow-motion", 2, "", "stress: no scenario \"slow-motion\"; stress --list shows them\n"},
		"no length":   {"--length soon", 2, "", "stress: --length: "},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.stdout) || !strings.HasPrefix(stderr.String(), tt.stderr) || tt.stderr == "" && stderr.Len() > 0 {
				t.Errorf("exit %d, want %d\nstdout: %s\nstderr: %s", code, tt.code, &stdout, &stderr)
			}
		})
	}
}
