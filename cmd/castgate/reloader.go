package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/logs"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/control"
	"castgate/server/control/access"
	"castgate/server/events"
	"castgate/server/setting"
)

// reloader reloads the configuration of a running gateway: the command line and
// variables of the start, with the current file and files of keys. It may be
// used by one goroutine at a time.
type reloader struct {
	process process.Process // args and environ are those of the start
	log     *slog.Logger
	level   *slog.LevelVar // of log
	audit   *logs.Audit
	gateway interface {
		SetCapacity(capacity.Capacity) error
		SetPolicy(admission.Policy) error
		SetCertificates(certs, keys []string) (undo func(), err error)
	}
	control interface {
		SetAccess(access.Access) error
		SetLimits(control.Limits) error
		SetTLS(control.TLS) (undo func(), err error)
	}

	events interface { // only asked where there are events, or a hook
		SetTargets(events.Targets) error
		SetTarget(events.HookTarget) error
	}

	controlRoom int // the largest control-max-conns that the open-file limit allows

	// The current state.
	values map[string]any // of settings; new ones that wait for a restart are not included
	now    *effective
}

// reload applies what has changed and can be applied. On an error, which is one
// line, nothing has changed. Either way the audit file is reopened.
func (r *reloader) reload() (control.Reloaded, error) {
	out, err := r.readAgain()
	if err != nil {
		err = errors.New(process.OneLine(knob.Flagged(err).Error()))
		// A mistake in another setting must not prevent log rotation.
		if failed := r.audit.Reopen(); failed != nil {
			r.log.Warn("the audit log could not be reopened; records still go to the old file", "err", failed)
		}
	}
	return out, err
}

func (r *reloader) readAgain() (control.Reloaded, error) {
	if err := r.rereadable(); err != nil {
		return control.Reloaded{}, err
	}
	var c serveLine
	src := knob.NewSources(r.process.Environ)
	src.Read = knob.ReadRegular
	quiet := &process.Process{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}
	parser, err := commandline.NewParser(&c, src, quiet)
	if err != nil {
		return control.Reloaded{}, err
	}
	if _, err := parser.Parse(r.process.Args); err != nil {
		return control.Reloaded{}, err
	}
	e, err := c.Serve.resolve(quiet, src)
	if err != nil {
		return control.Reloaded{}, err
	}
	if err := keepGuards(r.now, e); err != nil {
		return control.Reloaded{}, err
	}
	if err := r.apply(e); err != nil {
		return control.Reloaded{}, err
	}
	for _, w := range e.warnings {
		r.log.Warn(w)
	}
	return r.compare(parser.Model, e), nil
}

// rereadable refuses files that can be read only once, such as pipes: an empty
// configuration would be mistaken for the wish to use only defaults.
func (r *reloader) rereadable() error {
	for _, path := range r.now.files {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file, so it cannot be read again", path)
		}
	}
	return nil
}

// apply passes the new settings to the parts that use them; those that may
// refuse come first.
func (r *reloader) apply(e *effective) error {
	file, err := r.audit.Open(e.auditLog)
	if err != nil {
		old, ok := r.audit.Stays(e.auditLog, err)
		if !ok {
			return setting.Named("audit-log", err)
		}
		// Otherwise no key could be removed while the disk of the audit log
		// hangs.
		r.log.Warn("the audit log could not be reopened; records still go to the old file", "err", err)
		file = old
	}
	if err := r.hand(e); err != nil {
		r.audit.Discard(file)
		return err
	}
	r.audit.Point(e.auditLog, file)
	r.level.Set(e.level.Level())
	return nil
}

// hand passes each part its settings. If one refuses, the previous ones get
// their old settings back.
func (r *reloader) hand(e *effective) error {
	parts := []func(e *effective) error{
		func(e *effective) error { return r.control.SetAccess(e.control.Access) },
		func(e *effective) error {
			limits := e.control.Limits
			limits.MaxConns = min(limits.MaxConns, r.controlRoom)
			return r.control.SetLimits(limits)
		},
		func(e *effective) error { return r.gateway.SetCapacity(e.server.Capacity) },
		func(e *effective) error { return r.gateway.SetPolicy(e.server.Policy) },
		r.setEvents,
		r.setHook,
		// This is last, since the previous content of the files cannot be read
		// again.
		func(e *effective) error {
			undo, err := r.control.SetTLS(e.control.TLS)
			if err != nil {
				return err
			}
			if _, err := r.gateway.SetCertificates(e.server.TLSCerts, e.server.TLSKeys); err != nil {
				undo()
				return err
			}
			return nil
		},
	}
	for i, part := range parts {
		err := knob.Flagged(part(e))
		if err == nil {
			continue
		}
		for _, before := range parts[:i] {
			if undo := knob.Flagged(before(r.now)); undo != nil {
				err = fmt.Errorf("%w; and the changes made before could not be undone: %w", err, undo)
			}
		}
		return err
	}
	return nil
}

// setEvents has other backends told of events. Events are turned on or off by a
// restart only.
func (r *reloader) setEvents(e *effective) error {
	switch {
	case (e.events == nil) != (r.now.events == nil):
		return setting.Errorf("events-url", "turning events on or off requires a restart")
	case e.events == nil:
		return nil
	}
	return r.events.SetTargets(e.events.Targets)
}

// setHook has another backend asked about clients. That anybody is asked at all is
// changed by a restart only.
func (r *reloader) setHook(e *effective) error {
	switch {
	case (e.hook == nil) != (r.now.hook == nil):
		return setting.Errorf("connect-url", "turning connect-url on or off requires a restart")
	case e.hook == nil:
		return nil
	}
	return r.events.SetTarget(e.hook.HookTarget)
}

// compare determines what is new in e, which is in effect from now on.
func (r *reloader) compare(app *kong.Application, e *effective) control.Reloaded {
	var out control.Reloaded
	values := knob.Values(app)
	for _, f := range knob.OfServe(app) {
		if !knob.Is(f) || reflect.DeepEqual(values[f.Name], r.values[f.Name]) {
			continue
		}
		if !knob.Hot(f) {
			out.NeedsRestart = append(out.NeedsRestart, f.Name)
			continue
		}
		r.values[f.Name] = values[f.Name]
		out.Changed = append(out.Changed, f.Name)
	}
	// Files with the same names may have new content.
	for _, name := range changedFiles(r.now, e) {
		if !slices.Contains(out.Changed, name) {
			out.Changed = append(out.Changed, name)
		}
	}
	r.now = e
	return out
}

// changedFiles names the settings whose files have led to other values.
func changedFiles(was, is *effective) (names []string) {
	if !slices.Equal(was.control.Keys, is.control.Keys) {
		names = append(names, "control-key")
	}
	if !slices.Equal(was.control.ScopedKeys, is.control.ScopedKeys) {
		names = append(names, "control-keys-file")
	}
	if !slices.Equal(was.signing(), is.signing()) {
		names = append(names, "events-secret")
	}
	for _, name := range slices.Sorted(maps.Keys(is.tokenKeys)) {
		if !reflect.DeepEqual(was.tokenKeys[name], is.tokenKeys[name]) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is.certificates)) {
		if was.certificates[name] != is.certificates[name] {
			names = append(names, name)
		}
	}
	return names
}
