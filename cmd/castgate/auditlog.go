package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// The values of --audit-log that are no path.
const (
	auditStderr = "stderr"
	auditOff    = "off"
)

// auditLog is where the control API's audit records go. It can be pointed
// elsewhere while records are written, and is a slog.Handler that hides its
// file. Any goroutine may use it.
type auditLog struct {
	slog.Handler
	stderr io.Writer

	mu   sync.Mutex
	off  bool
	file *os.File // nil: stderr
}

func newAuditLog(stderr io.Writer, format string) *auditLog {
	a := &auditLog{stderr: stderr, off: true}
	if format == "json" {
		a.Handler = slog.NewJSONHandler(auditWriter{a}, nil)
	} else {
		a.Handler = slog.NewTextHandler(auditWriter{a}, nil)
	}
	return a
}

// checkAuditLog refuses what is neither a word nor a path: a misspelt word
// should not make a file.
func checkAuditLog(to string) error {
	if to != auditStderr && to != auditOff && !strings.Contains(to, "/") {
		return fmt.Errorf("%q is neither stderr, off nor a path with a /", to)
	}
	return nil
}

// openAudit opens the file that records are appended to, and makes it if there
// is none; nil if to is no file.
func openAudit(to string) (*os.File, error) {
	if to == auditStderr || to == auditOff {
		return nil, nil
	}
	// Without O_NONBLOCK a FIFO that nobody reads would hold up the program.
	return os.OpenFile(to, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
}

// mayAudit tells whether openAudit will succeed, without making a file.
func mayAudit(to string) error {
	if to == auditStderr || to == auditOff {
		return nil
	}
	f, err := os.OpenFile(to, os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(to)
	const writeAndSearch = 2 | 1 // W_OK and X_OK of access(2)
	if err := syscall.Access(dir, writeAndSearch); err != nil {
		return fmt.Errorf("no file can be made in %s: %w", dir, err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	return nil
}

// point lets records go elsewhere from now on: to the file, which it owns from
// now on, or where to says. The file it had before is closed.
func (a *auditLog) point(to string, file *os.File) {
	a.mu.Lock()
	old := a.file
	a.off, a.file = to == auditOff, file
	a.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// Enabled implements slog.Handler.
func (a *auditLog) Enabled(context.Context, slog.Level) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.off
}

// auditWriter writes to where the log points at the moment.
type auditWriter struct{ *auditLog }

var errShortRecord = errors.New("a record was not written whole")

func (w auditWriter) Write(record []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.stderr
	if w.file != nil {
		out = w.file
	}
	n, err := out.Write(record)
	if err == nil && n < len(record) {
		err = errShortRecord
	}
	return n, err
}
