package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castgate/bench/soak"
	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args           string
		code           int
		stdout, stderr string
	}{
		"help":             {"--help", exitOK, "--replace=200", ""},
		"not published":    {"--help", exitOK, `--charts="tmp/soak"`, ""}, // the charts of BENCHMARKS.md are overwritten only on request
		"unknown flag":     {"--lengt 1m", exitUsage, "", `soak: unknown flag --lengt, did you mean "--length"? (see soak --help)`},
		"no number":        {"--connections many", exitUsage, "", "--connections"},
		"out of range":     {"--length 0", exitUsage, "", "length: 0s is not between"},
		"no gateway":       {"--length 1s", exitUsage, "", "name one with --castgate"},
		"wrong binary":     {"--length 1s --castgate /nonexistent", exitFaulty, "", "no such file"},
		"no result":        {"--draw /nonexistent", exitFaulty, "", "no such file"},
		"nowhere to write": {"--length 1s --results /proc/x --castgate /bin/true", exitUsage, "", "/proc/x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := strings.Fields(c.args)
			if !strings.Contains(c.args, "--results") {
				args = append(args, "--results", dir)
			}
			args = append(args, "--charts", dir)
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), args, &stdout, &stderr)
			lines := strings.Count(stderr.String(), "\n")
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) || code == exitUsage && lines != 1 {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, c.code, &stdout, &stderr)
			}
		})
	}
}

// bell is a buffer that signals when a word is written.
type bell struct {
	bytes.Buffer
	word string
	ring func()
}

func (b *bell) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(b.word)) {
		b.ring()
	}
	return b.Buffer.Write(p)
}

// A soak that is interrupted keeps what it has found, and its chart can be
// drawn again.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := bell{word: " of 20m0s: PSS", ring: cancel}
	var stdout bytes.Buffer
	code := run(ctx, []string{"--castgate", wstest.Build(t), "--results", dir, "--charts", dir, "--connections", "20", "--groups", "2",
		"--replace", "20", "--tide", "100ms", "--rest", "0", "--every", "20ms"}, &stdout, &stderr)
	kept, err := filepath.Glob(filepath.Join(dir, "soak-*.json"))
	if code != exitInterrupted || err != nil || len(kept) != 1 || !strings.Contains(stdout.String(), "interrupted") {
		t.Fatalf("exit code %d, %v\nstdout: %s\nstderr: %s", code, kept, &stdout, &stderr.Buffer)
	}
	stdout.Reset()
	again := filepath.Join(dir, "again")
	if code := run(t.Context(), []string{"--draw", kept[0], "--charts", again}, &stdout, &stderr); code != exitOK {
		t.Errorf("exit code %d, %s", code, &stderr.Buffer)
	}
	for _, name := range []string{"soak-light.svg", "soak-dark.svg"} {
		first, err := os.ReadFile(filepath.Join(dir, name))
		second, againErr := os.ReadFile(filepath.Join(again, name))
		if err != nil || againErr != nil || !bytes.Equal(first, second) {
			t.Errorf("%s is drawn otherwise: %v, %v", name, err, againErr)
		}
	}
}

// Without a terminal, one line per minute is enough.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, 20*time.Minute)
	for at := range 150 {
		p.seen(soak.Sample{At: float64(at), PSS: 40 << 20, Heap: 8 << 20, Files: 2020, Connections: 2000}, 12_345)
	}
	p.log("done")
	p.clear()
	want := "0s of 20m0s: PSS 40 MiB, heap 8 MiB, 2020 descriptors, 2000 connections, 0 goroutines, 0 threads, 12.3 k messages received\n"
	if got := b.String(); got != want+strings.Replace(want, "0s", "1m0s", 1)+strings.Replace(want, "0s", "2m0s", 1)+"done\n" {
		t.Errorf("%q", got)
	}
	b.Reset()
	p.terminal = true
	p.seen(soak.Sample{At: 150}, 0)
	p.log("done")
	if got := b.String(); !strings.HasPrefix(got, "2m30s of") || !strings.HasSuffix(got, "\r\x1b[Kdone\n") {
		t.Errorf("%q", got)
	}
}
