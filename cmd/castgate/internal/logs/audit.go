package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/cmd/castgate/internal/linequeue"
)

// The values of --audit-log that are not paths.
const (
	auditStderr = "stderr"
	auditOff    = "off"
)

// openPatience is how long a start or a reload waits for the system to open a
// file.
const openPatience = 2 * time.Second

// Audit is where audit records go. The destination can change while records
// are written. Its methods must be called by one goroutine at a time.
type Audit struct {
	logs   *Logs
	format string
	off    atomic.Bool
	to     string // the setting
}

func NewAudit(l *Logs, format string) *Audit {
	a := &Audit{logs: l, format: format, to: auditOff}
	a.off.Store(true)
	return a
}

// auditSource is the slog.Handler of one producer of records. It hides where
// they go and never blocks: a record that finds no room is an error. It also
// implements audit.Accounts. It may be used by any goroutine.
type auditSource struct {
	slog.Handler
	*linequeue.Source
	off *atomic.Bool
}

func (a *Audit) Source() auditSource {
	from := a.logs.records.Source()
	return auditSource{Handler: newHandler(from, a.format, nil), Source: from, off: &a.off}
}

// Enabled implements slog.Handler.
func (s auditSource) Enabled(context.Context, slog.Level) bool { return !s.off.Load() }

// CheckAudit refuses a value that is neither a keyword nor a path: a
// misspelt keyword should not create a file.
func CheckAudit(to string) error {
	if to != auditStderr && to != auditOff && !strings.Contains(to, "/") {
		return fmt.Errorf("%q is neither stderr nor off nor a path with a slash", to)
	}
	return nil
}

// Open opens the destination of a value of --audit-log: nil for off. A file
// that is already open, here or as stderr, keeps its one Writer, so that
// records never interleave.
func (a *Audit) Open(to string) (*linequeue.Writer, error) {
	switch to {
	case auditOff:
		return nil, nil
	case auditStderr:
		return a.logs.stderr, nil
	}
	w, err := a.logs.set.Open(to, openPatience)
	if err != nil {
		return nil, err
	}
	for _, before := range []*linequeue.Writer{a.logs.records.To(), a.logs.stderr} {
		if w.Same(before) {
			w.Discard()
			return before, nil
		}
	}
	return w, nil
}

// MayAudit checks whether open will succeed, without creating a file.
func MayAudit(to string) error {
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
		return fmt.Errorf("cannot create a file in %s: %w", dir, err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	return nil
}

// Point sends records to the result of open for a value of --audit-log. It does
// not wait for the previous file, which is closed when possible.
func (a *Audit) Point(to string, w *linequeue.Writer) {
	a.to = to
	a.off.Store(to == auditOff)
	a.logs.records.Point(w)
}

// Discard closes the result of open if nothing will write to it.
func (a *Audit) Discard(w *linequeue.Writer) {
	if w != nil && w != a.logs.stderr && w != a.logs.records.To() {
		w.Discard()
	}
}

// Stays is the file that records go to already, if opening the same one again failed with an
// error of its reader or its disk, which may recover at any moment.
func (a *Audit) Stays(to string, err error) (w *linequeue.Writer, ok bool) {
	return a.logs.records.To(), to == a.to && hangs(err)
}

// Reopen reopens the file that records go to. If that fails, they still go to
// the open one.
func (a *Audit) Reopen() error {
	w, err := a.Open(a.to)
	if err == nil {
		a.Point(a.to, w)
	}
	return err
}

// hangs reports whether a file could not be opened because of its reader or its
// disk, which may recover at any moment.
func hangs(err error) bool {
	_, hung := errors.AsType[*linequeue.HangsError](err)
	return hung || errors.Is(err, syscall.ENXIO) || errors.Is(err, linequeue.ErrManyHang)
}
