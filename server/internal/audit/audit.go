// Package audit records who did what, for the control API and the GatewayWorker
// front: one record for each action, and a bounded number of records for refused
// requests.
package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of one record, and how many refusals a second are recorded. A flood of
// wrong keys must not fill a disk.
const (
	MostNames    = 8   // of one list
	MostNameLen  = 128 // bytes
	MostRefusals = 10  // in one RefusalSpan
	RefusalSpan  = time.Second
	// reportDelay is the time after which refusals without a record are reported in a
	// record of their own. After a flood, the next refusal may be days away.
	reportDelay = 2 * time.Second
)

// began is the origin of the spans, on the monotonic clock.
var began = time.Now().Add(-RefusalSpan)

// Log writes audit records. Records must never contain a secret, or the content of
// a session or message; the callers take care of that. Any goroutine may call its
// methods.
type Log struct {
	handler slog.Handler // nil writes nothing
	written atomic.Uint64
	lost    atomic.Uint64

	mu     sync.Mutex
	since  time.Duration // start of the span in which refusals are counted
	said   int           // refusals recorded in this span
	unsaid int           // refusals since the last recorded one
	timer  *time.Timer   // calls Flush; nil if not scheduled
}

// New returns a Log. With a nil handler it writes nothing.
func New(h slog.Handler) *Log { return &Log{handler: h} }

// On reports whether records are written, so that callers need not build one for
// nothing.
func (l *Log) On() bool {
	return l.handler != nil && l.handler.Enabled(context.Background(), slog.LevelInfo)
}

// Accounts is a handler that queues records, so it learns only later whether they
// were written.
type Accounts interface {
	Written() uint64
	Dropped() uint64
}

// Written returns how many records were written, and Lost how many were not. The
// counts come from the handler's Accounts, or else from the errors that the handler
// returns.
func (l *Log) Written() uint64 {
	if a, ok := l.handler.(Accounts); ok {
		return a.Written()
	}
	return l.written.Load()
}

// Lost is described at Written.
func (l *Log) Lost() uint64 {
	if a, ok := l.handler.(Accounts); ok {
		return a.Dropped()
	}
	return l.lost.Load()
}

// Write writes a record. key names who acted; from is their address, or unix.
// Callers check On first.
func (l *Log) Write(level slog.Level, action, key, from string, attrs ...slog.Attr) {
	r := slog.NewRecord(time.Now(), level, "audit", 0)
	r.AddAttrs(slog.String("action", action), slog.String("key", key), slog.String("from", from))
	r.AddAttrs(attrs...)
	if l.handler.Handle(context.Background(), r) != nil {
		l.lost.Add(1)
		return
	}
	l.written.Add(1)
}

// Refused records that somebody had no key, a wrong key or one without the required
// right, unless too many were recorded lately. Callers check On first.
func (l *Log) Refused(key, from string, attrs ...slog.Attr) {
	unsaid, ok := l.allowed(time.Since(began))
	if !ok {
		return
	}
	if unsaid > 0 {
		attrs = append(attrs, slog.Int("refusals_not_written", unsaid))
	}
	l.Write(slog.LevelWarn, "refused", key, from, attrs...)
}

// allowed reports whether another refusal may be recorded, and how many were not
// since the last recorded one.
func (l *Log) allowed(now time.Duration) (unsaid int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now-l.since >= RefusalSpan {
		l.since, l.said = now, 0
	}
	if l.said >= MostRefusals {
		l.unsaid++
		if l.timer == nil {
			l.timer = time.AfterFunc(reportDelay, l.Flush)
		}
		return 0, false
	}
	l.said++
	unsaid, l.unsaid = l.unsaid, 0
	return unsaid, true
}

// Flush records how many refusals had no record, if any. It is also called at the
// end.
func (l *Log) Flush() {
	l.mu.Lock()
	unsaid := l.unsaid
	l.unsaid = 0
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()
	if unsaid > 0 && l.On() {
		l.Write(slog.LevelWarn, "refused", "-", "-", slog.Int("refusals_not_written", unsaid))
	}
}

// List returns the first names of a list, shortened as by Name.
func List(names []string) []string {
	list := make([]string, 0, min(len(names), MostNames))
	for _, name := range names[:min(len(names), MostNames)] {
		list = append(list, Name(name))
	}
	return list
}

// Name returns a client id, uid or group, shortened.
func Name(name string) string { return name[:min(len(name), MostNameLen)] }
