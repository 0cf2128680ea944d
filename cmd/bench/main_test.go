package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"help":         {[]string{"run", "--help"}, 0, "fanout", ""},
		"unknown flag": {[]string{"--bogus"}, 2, "", "--bogus"},
		"wrong value":  {[]string{"--root", "../..", "--rounds", "0"}, 1, "", "rounds: 0 is not between"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), c.args, &console{os.Stdin, &stdout, &stderr})
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, stdout.String(), stderr.String())
			}
		})
	}
}

// A run prints its table and saves its figures.
func TestFiguresAreKept(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), strings.Fields("--root ../.. --server floor --scenario fanout --rounds 1 --clients 10"+
		" --warmup 1ms --measure 20ms --max-foreign 1 --results "+dir), &console{os.Stdin, &stdout, &stderr})
	files, err := os.ReadDir(dir)
	if code != 0 || err != nil || len(files) != 1 || !strings.Contains(stdout.String(), "CPU a message") {
		t.Errorf("exit code %d, %v, files %v\nstdout: %s\nstderr: %s", code, err, files, stdout.String(), stderr.String())
	}
}
