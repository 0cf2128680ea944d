package control

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server"
)

// What one audit record holds at most, and how many refusals a second get one:
// a flood of wrong keys must not fill a disk. Refusals are all counted, in
// control_requests_total.
const (
	auditNames       = 8   // of each kind of target; targets counts all
	auditNameLen     = 128 // in bytes
	auditRefusals    = 10
	auditRefusalSpan = time.Second
	// auditRest is when those that had no record are told of by one of their
	// own: a flood may be followed by no further refusal for days.
	auditRest = 2 * time.Second
)

// audit writes down who did what: kicks, changes of sessions, reloads, and
// refused keys. Never what a session or a message holds, and never a secret.
// Its methods may be called from any goroutine.
type audit struct {
	handler slog.Handler // nil: nothing is written
	written atomic.Uint64
	lost    atomic.Uint64 // the handler failed

	mu     sync.Mutex
	began  time.Duration // of the span that refusals are counted in, since started
	said   int           // in this span
	unsaid int           // since the last record of a refusal
	rest   *time.Timer   // calls sayRest; nil unless it will
}

func newAudit(h slog.Handler) *audit { return &audit{handler: h} }

// on tells whether records are wanted.
func (a *audit) on() bool {
	return a.handler != nil && a.handler.Enabled(context.Background(), slog.LevelInfo)
}

func (a *audit) write(level slog.Level, action, key, from string, attrs ...slog.Attr) {
	r := slog.NewRecord(time.Now(), level, "audit", 0)
	r.AddAttrs(slog.String("action", action), slog.String("key", key), slog.String("from", from))
	r.AddAttrs(attrs...)
	if a.handler.Handle(context.Background(), r) != nil {
		a.lost.Add(1)
		return
	}
	a.written.Add(1)
}

// did writes down what a request has done. Callers ask on first.
func (c *call) did(action string, attrs ...slog.Attr) {
	c.server.audit.write(slog.LevelInfo, action, c.caller.Name, c.from(), attrs...)
}

// refused writes down that a request had no key, a wrong one, or one without
// the right.
func (a *audit) refused(c *call, err error) {
	if !a.on() {
		return
	}
	unsaid, ok := a.maySay(time.Since(started))
	if !ok {
		return
	}
	name, what := "-", "none"
	if c.caller != nil {
		name = c.caller.Name
	}
	if c.route != nil {
		what = c.route.method + " " + c.route.path
	}
	_, code, _ := problemOf(err)
	attrs := []slog.Attr{slog.String("request", what), slog.String("code", code)}
	if unsaid > 0 {
		attrs = append(attrs, slog.Int("refusals_not_written", unsaid))
	}
	a.write(slog.LevelWarn, "refused", name, c.from(), attrs...)
}

// maySay tells whether another refusal may have a record, and how many had
// none since the last that had.
func (a *audit) maySay(now time.Duration) (unsaid int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now-a.began >= auditRefusalSpan {
		a.began, a.said = now, 0
	}
	if a.said >= auditRefusals {
		a.unsaid++
		if a.rest == nil {
			a.rest = time.AfterFunc(auditRest, a.sayRest)
		}
		return 0, false
	}
	a.said++
	unsaid, a.unsaid = a.unsaid, 0
	return unsaid, true
}

// sayRest writes down how many refusals have had no record, if any.
func (a *audit) sayRest() {
	a.mu.Lock()
	unsaid := a.unsaid
	a.unsaid = 0
	if a.rest != nil {
		a.rest.Stop()
		a.rest = nil
	}
	a.mu.Unlock()
	if unsaid > 0 && a.on() {
		a.write(slog.LevelWarn, "refused", "-", "-", slog.Int("refusals_not_written", unsaid))
	}
}

// from is the caller's address, or unix.
func (c *call) from() string {
	if addr := c.http.RemoteAddr(); addr != nil {
		if tcp, ok := addr.(*net.TCPAddr); ok {
			return tcp.String()
		}
	}
	return "unix"
}

// auditTargets are the targets of a kick: the first names of each kind, and
// how many there are.
func auditTargets(t *server.Targets) []slog.Attr {
	if t.All {
		return []slog.Attr{slog.Bool("all", true)}
	}
	attrs := []slog.Attr{slog.Int("targets", len(t.ClientIDs)+len(t.UIDs)+len(t.Groups))}
	for _, kind := range []struct {
		name  string
		names []string
	}{{"client_ids", t.ClientIDs}, {"uids", t.UIDs}, {"groups", t.Groups}} {
		if len(kind.names) > 0 {
			attrs = append(attrs, slog.Any(kind.name, auditList(kind.names)))
		}
	}
	return attrs
}

func auditList(names []string) []string {
	var list []string
	for _, name := range names[:min(len(names), auditNames)] {
		list = append(list, auditName(name))
	}
	return list
}

func auditName(name string) string { return name[:min(len(name), auditNameLen)] }
