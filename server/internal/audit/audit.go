// Package audit writes down who did what, for the control API and the front for
// GatewayWorker alike: one record for each deed, and a bounded number for those
// who were refused.
package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// What one record holds at most, and how many refusals a second get one: a
// flood of wrong keys must not fill a disk.
const (
	MostNames    = 8   // of a list
	MostNameLen  = 128 // in bytes
	MostRefusals = 10  // in a RefusalSpan
	RefusalSpan  = time.Second
	// rest is when those that had no record are told of by one of their own: a
	// flood may be followed by no further refusal for days.
	rest = 2 * time.Second
)

// began is what spans are counted from, on the monotonic clock.
var began = time.Now().Add(-RefusalSpan)

// Log is where records go. They never hold what a session or a message holds,
// and never a secret: that is for the callers to see to. Any goroutine.
type Log struct {
	handler slog.Handler // nil: nothing is written
	written atomic.Uint64
	lost    atomic.Uint64

	mu     sync.Mutex
	since  time.Duration // begin of the span that refusals are counted in
	said   int           // in this span
	unsaid int           // since the last record of a refusal
	timer  *time.Timer   // calls Flush; nil unless it will
}

// New makes a Log; without a handler it writes nothing.
func New(h slog.Handler) *Log { return &Log{handler: h} }

// On tells whether records are wanted, so that nothing is made ready for none.
func (l *Log) On() bool {
	return l.handler != nil && l.handler.Enabled(context.Background(), slog.LevelInfo)
}

// Accounts is a handler that knows only later what becomes of the records that
// it takes, since they wait in a queue.
type Accounts interface {
	Written() uint64
	Dropped() uint64
}

// Written is how many records were written, and Lost how many were not: by the
// handler's Accounts, or if it has none by its errors.
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

// Write writes a record: key names who, from is where they are, an address or
// unix. Callers ask On first.
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

// Refused writes that somebody had no key, a wrong one, or one without the
// right, unless there were too many of them lately. Callers ask On first.
func (l *Log) Refused(key, from string, attrs ...slog.Attr) {
	unsaid, ok := l.maySay(time.Since(began))
	if !ok {
		return
	}
	if unsaid > 0 {
		attrs = append(attrs, slog.Int("refusals_not_written", unsaid))
	}
	l.Write(slog.LevelWarn, "refused", key, from, attrs...)
}

// maySay tells whether another refusal may have a record, and how many had
// none since the last that had.
func (l *Log) maySay(now time.Duration) (unsaid int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now-l.since >= RefusalSpan {
		l.since, l.said = now, 0
	}
	if l.said >= MostRefusals {
		l.unsaid++
		if l.timer == nil {
			l.timer = time.AfterFunc(rest, l.Flush)
		}
		return 0, false
	}
	l.said++
	unsaid, l.unsaid = l.unsaid, 0
	return unsaid, true
}

// Flush writes how many refusals have had no record, if any: at the end too.
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
