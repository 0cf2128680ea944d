package control

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"castgate/server/control/internal/wire"
)

// Reloaded is the result of reloading the configuration. The names are those of
// settings.
type Reloaded struct {
	// Changed are the settings whose value, or whose file's content, has
	// changed; they are in effect.
	Changed []string
	// NeedsRestart are the settings whose new value takes effect after a
	// restart.
	NeedsRestart []string
}

// reloads counts reloads and runs one at a time.
type reloads struct {
	turn        chan struct{} // held by the one that runs
	ok, refused atomic.Uint64
	failing     atomic.Bool  // the last reload was refused
	last        atomic.Int64 // time of the last applied reload; nanoseconds since 1970
}

// Reload calls Config.Reload for a caller that is not a request; by names it in
// the audit log. It waits for its turn until ctx is done. It may be called from
// any goroutine.
func (s *Server) Reload(ctx context.Context, by string) (Reloaded, error) {
	return s.reload(ctx, by, "-")
}

// reload is Reload for a key's name and address; which identifies the key
// further in the audit log.
func (s *Server) reload(ctx context.Context, key, from string, which ...slog.Attr) (Reloaded, error) {
	if s.config.Reload == nil {
		return Reloaded{}, wire.Faultf(codeReloadRefused, "this gateway has no configuration that could be reloaded")
	}
	select {
	case s.reloads.turn <- struct{}{}:
	case <-ctx.Done():
		return Reloaded{}, wire.Faultf(codeDeadline, "another reload is still running")
	}
	defer func() { <-s.reloads.turn }()
	r, err := s.config.Reload()
	if err != nil {
		s.reloads.refused.Add(1)
		s.reloads.failing.Store(true)
		s.log.Error("the reload failed; nothing was changed", "err", err)
		if s.audit.On() {
			s.audit.Write(slog.LevelWarn, "reload", key, from, append(which, slog.String("err", err.Error()))...)
		}
		return r, wire.Faultf(codeReloadRefused, "nothing was changed: %v", err)
	}
	s.reloads.ok.Add(1)
	s.reloads.failing.Store(false)
	s.reloads.last.Store(time.Now().UnixNano())
	s.log.Info("the configuration was reloaded", "changed", r.Changed, "needs_restart", r.NeedsRestart)
	if s.audit.On() {
		s.audit.Write(slog.LevelInfo, "reload", key, from, append(which, slog.Any("changed", r.Changed), slog.Any("needs_restart", r.NeedsRestart))...)
	}
	return r, nil
}

// reload serves POST /v1/reload.
func (c *call) reload() error {
	defer c.bound()()
	r, err := c.server.reload(c.ctx, c.caller.Name, c.from(), c.caller.Attrs()...)
	if err != nil {
		return err
	}
	c.out = wire.AppendStrings(append(c.out, `{"changed":`...), r.Changed)
	c.out = wire.AppendStrings(append(c.out, `,"needs_restart":`...), r.NeedsRestart)
	c.out = append(c.out, '}')
	c.answer(jsonType)
	return nil
}
