package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Records follow the log from stderr into a file, through a rotation of the
// file, and out of sight.
func TestAuditLog(t *testing.T) {
	var stderr bytes.Buffer
	a := newAuditLog(&stderr, "json")
	log := slog.New(a)
	point := func(to string) {
		t.Helper()
		file, err := openAudit(to)
		if err != nil {
			t.Fatal(err)
		}
		a.point(to, file)
	}
	log.Info("before the start")
	point(auditStderr)
	log.Info("to stderr")
	path := filepath.Join(t.TempDir(), "audit.log")
	point(path)
	log.Info("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info("second")
	point(path)
	log.Info("third")
	point(auditOff)
	log.Info("nowhere")
	if a.Enabled(context.Background(), slog.LevelError) {
		t.Error("enabled though it is off")
	}
	if s := stderr.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `"to stderr"`) {
		t.Errorf("stderr has %q", s)
	}
	for file, want := range map[string]string{path + ".1": "first second", path: "third"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "\n"); got != len(strings.Fields(want)) {
			t.Errorf("%s has %s", file, text)
		}
		for _, word := range strings.Fields(want) {
			if !strings.Contains(string(text), `"`+word+`"`) {
				t.Errorf("%s has no %s", file, word)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWrongAuditLog(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{t.TempDir(), "/nowhere/audit.log", fifo} {
		if _, err := openAudit(to); err == nil {
			t.Errorf("%s was opened", to)
		}
	}
	if _, err := resolved(t, []string{"--audit-log=of"}, nil); err == nil || !strings.Contains(err.Error(), `--audit-log: "of"`) {
		t.Errorf("%v", err)
	}
}
