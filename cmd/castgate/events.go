package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server"
	"castgate/server/events"
	"castgate/server/gatewayworker"
	"castgate/server/loop"
	"castgate/server/setting"
)

// eventsSettings are the knobs of the events that backends are told.
type eventsSettings struct {
	EventsUrl          []string      `unit:"URLs" hot:"" help:"URLs to which events of clients are POSTed, separated by commas; each is told of every event. Default: none, and events are off unless events-dir is set."`
	Events             []string      `default:"connected,bound,unbound,disconnected" unit:"types" help:"Types of events, separated by commas: connected, bound, unbound, disconnected, message, uid.online, uid.offline, all."`
	EventsDir          string        `default:"" unit:"path" help:"Directory of the events' queue, for this process alone; its parent must exist. With it events outlive a crash. Default: none, the queue is in memory."`
	EventsSecret       []string      `unit:"whsec_text or @path" hot:"" help:"Secrets that sign the requests (Standard Webhooks), separated by commas; two while one replaces the other; @/path reads a file with one per line. Repeatable."`
	EventsBatch        int           `default:"100" unit:"events" help:"Most events of a request, 1 to 10000; with 1, each is sent as a single CloudEvent."`
	EventsLinger       knob.Duration `default:"20ms" unit:"duration" help:"How long the first event of a request waits for others."`
	EventsTimeout      knob.Duration `default:"10s" unit:"duration" help:"Time allowed for one request."`
	EventsRetryMax     knob.Duration `default:"5m" unit:"duration" help:"Longest pause between two attempts, unless a Retry-After asks for a longer one."`
	EventsQuota        knob.Size     `default:"0B" unit:"bytes" auto:"1GiB with events-dir, 64MiB without" help:"Size of the queue, at least 1MiB; when it is full, the oldest events are dropped and one event says how many. 0 means 1GiB with events-dir and 64MiB without."`
	EventsKeep         knob.Duration `default:"1h" unit:"duration" help:"How long events that every URL was told of can still be fetched and replayed, within the quota."`
	EventsOfflineAfter knob.Duration `default:"3s" unit:"duration" help:"How long a uid must have no client before uid.offline is told."`
	ConnectUrl         string        `default:"" unit:"URL" hot:"" help:"URL that is asked before a client is accepted; its answer may bind the client, join it to groups, set its session or refuse it. Default: none."`
	ConnectTimeout     knob.Duration `default:"3s" unit:"duration" help:"Time allowed for an answer of connect-url; a client waits at most twice as long."`
	ConnectRequests    int           `default:"64" unit:"requests" help:"Maximum number of concurrent requests to connect-url, 1 to 1024; up to 4096 more clients wait."`
	ConnectFail        string        `default:"closed" unit:"open or closed" help:"What happens to a client when connect-url does not answer: open accepts it, closed refuses it with 503."`
	EventsFull         string        `default:"hold" unit:"hold or close" help:"What on-message=forward does with a client when the queue is full: hold stops reading from it, close closes it with 1013."`
}

// eventsOn tells whether there is a queue of events.
func (s *settings) eventsOn() bool { return len(s.EventsUrl) > 0 || s.EventsDir != "" }

// events reads the settings of events into e. An error is a *setting.Error.
func (s *settings) events(e *effective) error {
	if !s.eventsOn() {
		return s.eventsOff()
	}
	types, err := events.ParseTypes(knob.Trimmed(s.Events))
	if err != nil {
		return setting.Named("events", err)
	}
	forward := s.OnMessage == string(loop.OnMessageForward)
	switch {
	case forward && e.gatewayworker.On() && e.gatewayworker.Workers != gatewayworker.WorkersNever:
		return setting.Errorf("on-message", "forward would take the messages of clients from GatewayWorker's workers; to send workers none, set gatewayworker-workers=never")
	case forward:
		types |= 1 << events.Message
	case types.Has(events.Message) && !contains(s.Events, "all"):
		return setting.Errorf("events", "the type message needs on-message=forward")
	default:
		types &^= 1 << events.Message
	}
	if s.EventsFull != "hold" && s.EventsFull != "close" {
		return setting.Errorf("events-full", "%q is neither hold nor close", s.EventsFull)
	}
	if s.EventsFull == "close" && !forward {
		return setting.Errorf("events-full", "has no effect without on-message=forward")
	}
	secrets, err := s.eventsSecrets(e)
	if err != nil {
		return setting.Named("events-secret", err)
	}
	e.events = &events.Config{
		Targets: events.Targets{URLs: knob.Trimmed(s.EventsUrl), Secrets: secrets, TokenQuery: s.JwtQuery},
		Types:   types, Dir: s.EventsDir, Batch: s.EventsBatch, Linger: time.Duration(s.EventsLinger),
		Timeout: time.Duration(s.EventsTimeout), RetryMax: time.Duration(s.EventsRetryMax), Quota: int64(s.EventsQuota),
		Keep: time.Duration(s.EventsKeep), OfflineAfter: time.Duration(s.EventsOfflineAfter), HoldMessages: s.EventsFull == "hold",
		Node: s.Node, Log: e.logger,
	}
	if e.events.Dir == "" {
		e.warnings = append(e.warnings, "the queue of events is in memory: what was not delivered is lost with the process; set events-dir")
	}
	if len(secrets) == 0 && len(s.EventsUrl) > 0 {
		e.warnings = append(e.warnings, "events are not signed, so the backend cannot tell who sends them; set events-secret")
	}
	return e.events.Validate()
}

// eventsOff refuses settings that have no effect without a queue.
func (s *settings) eventsOff() error {
	const why = "has no effect without events-url or events-dir"
	def := events.Defaults()
	for _, u := range []struct {
		name string
		set  bool
	}{
		{"events-secret", len(s.EventsSecret) > 0 && s.ConnectUrl == ""},
		{"events-batch", s.EventsBatch != def.Batch},
		{"events-linger", time.Duration(s.EventsLinger) != def.Linger},
		{"events-timeout", time.Duration(s.EventsTimeout) != def.Timeout},
		{"events-retry-max", time.Duration(s.EventsRetryMax) != def.RetryMax},
		{"events-quota", s.EventsQuota != 0},
		{"events-keep", time.Duration(s.EventsKeep) != def.Keep},
		{"events-offline-after", time.Duration(s.EventsOfflineAfter) != def.OfflineAfter},
		{"events-full", s.EventsFull != "hold"},
		{"events", strings.Join(s.Events, ",") != "connected,bound,unbound,disconnected"},
	} {
		if u.set {
			return setting.Errorf(u.name, why)
		}
	}
	if s.OnMessage == string(loop.OnMessageForward) {
		return setting.Errorf("on-message", "forward needs somebody to forward to; set events-url or events-dir")
	}
	return nil
}

// hook reads the settings of the connect hook into e. An error is a *setting.Error.
func (s *settings) hook(e *effective) error {
	if s.ConnectUrl == "" {
		for _, u := range []struct {
			name string
			set  bool
		}{
			{"connect-timeout", time.Duration(s.ConnectTimeout) != 3*time.Second},
			{"connect-requests", s.ConnectRequests != 64},
			{"connect-fail", s.ConnectFail != "closed"},
		} {
			if u.set {
				return setting.Errorf(u.name, "has no effect without connect-url")
			}
		}
		return nil
	}
	if s.ConnectFail != "open" && s.ConnectFail != "closed" {
		return setting.Errorf("connect-fail", "%q is neither open nor closed", s.ConnectFail)
	}
	for _, l := range knob.Trimmed(s.Listen) {
		if scheme, _, _ := strings.Cut(l, "://"); scheme == "text" || scheme == "frame" || scheme == "tcp" {
			return setting.Errorf("connect-url", "cannot be asked about clients of %s:// listeners, which send no request", scheme)
		}
	}
	secrets, err := s.eventsSecrets(e)
	if err != nil {
		return setting.Named("events-secret", err)
	}
	if len(secrets) == 0 {
		e.warnings = append(e.warnings, "connect-url is asked without a signature, so the backend cannot tell who asks; set events-secret")
	}
	e.hook = &events.HookConfig{
		HookTarget: events.HookTarget{URL: s.ConnectUrl, Secrets: secrets}, Timeout: time.Duration(s.ConnectTimeout),
		Requests: s.ConnectRequests, FailOpen: s.ConnectFail == "open", Log: e.logger,
	}
	return e.hook.Validate()
}

// signing are the secrets that sign what backends get.
func (e *effective) signing() []string {
	switch {
	case e.events != nil:
		return e.events.Secrets
	case e.hook != nil:
		return e.hook.Secrets
	}
	return nil
}

func contains(items []string, want string) bool {
	for _, item := range items {
		if strings.TrimSpace(item) == want {
			return true
		}
	}
	return false
}

// eventsSecrets reads the secrets, and the files that hold some.
func (s *settings) eventsSecrets(e *effective) (secrets []string, err error) {
	for _, v := range knob.Trimmed(s.EventsSecret) {
		path, isFile := strings.CutPrefix(v, "@")
		if !isFile {
			secrets = append(secrets, v)
			continue
		}
		text, err := e.read(path)
		if err != nil {
			return nil, err
		}
		e.files = append(e.files, path)
		before := len(secrets)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				secrets = append(secrets, line)
			}
		}
		if len(secrets) == before {
			return nil, fmt.Errorf("%s holds no secret", path)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
			e.warnings = append(e.warnings, fmt.Sprintf("the secret file %s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm()))
		}
	}
	return secrets, nil
}

// checkEventsDir looks whether a start could use the directory, without taking it
// from a gateway that does.
func checkEventsDir(path string) error {
	const writeAndSearch = 2 | 1 // W_OK and X_OK of access(2)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	if err := syscall.Access(path, writeAndSearch); err != nil {
		return fmt.Errorf("%s cannot be written to: %w", path, err)
	}
	var fs syscall.Statfs_t // root may write to /proc and /sys, but make no files there
	if err := syscall.Statfs(path, &fs); err == nil && (fs.Type == unix.PROC_SUPER_MAGIC || fs.Type == unix.SYSFS_MAGIC) {
		return fmt.Errorf("%s is of the kernel, and no files can be made in it", path)
	}
	return nil
}

// newEvents opens the queue of events, nil if there is none, and has the server
// tell it of clients.
func newEvents(e *effective) (*events.Events, error) {
	if e.events == nil {
		return nil, nil
	}
	q, err := events.New(*e.events)
	if err != nil {
		return nil, err
	}
	e.server.Watchers = append(e.server.Watchers, q)
	e.control.Feed = q
	e.control.Collectors = append(e.control.Collectors, q)
	return q, nil
}

// backends are those that the gateway speaks to by itself: who is told of events,
// and who is asked about clients. Both are nil where there are none.
type backends struct {
	queue *events.Events
	hook  *events.Hook
}

// SetTargets has other backends told of events.
func (b backends) SetTargets(t events.Targets) error { return b.queue.SetTargets(t) }

// SetTarget has another backend asked about clients.
func (b backends) SetTarget(t events.HookTarget) error { return b.hook.SetTarget(t) }

// newServer makes the server, and what speaks to backends.
func newServer(e *effective) (gw *server.Server, b backends, err error) {
	if b.queue, err = newEvents(e); err != nil {
		return nil, b, err
	}
	if e.hook != nil {
		if b.hook, err = events.NewHook(*e.hook); err != nil {
			return nil, b, err
		}
		e.server.Hook = b.hook
		e.control.Collectors = append(e.control.Collectors, b.hook)
	}
	gw, err = server.New(e.server)
	if err == nil && b.queue != nil {
		b.queue.Attach(gw)
	}
	return gw, b, err
}

// telling is a gateway that tells backends of its clients: the queue ends after it.
type telling struct {
	gateway
	events *events.Events
}

// Run begins to tell and serves.
func (t telling) Run() error {
	t.events.Start()
	return t.gateway.Run()
}

// farewellTime is how long the last events may take at least, where the clients have
// used up the drain's time; it is less than stopGrace.
const farewellTime = time.Second

// Shutdown ends the clients and then tells of that as far as there is time. What is
// not told by then, the queue's directory keeps for the next start.
func (t telling) Shutdown(ctx context.Context) error {
	err := t.gateway.Shutdown(ctx)
	ends, ok := ctx.Deadline()
	if least := time.Now().Add(farewellTime); !ok || ends.Before(least) {
		ends = least
	}
	last, cancel := context.WithDeadline(context.WithoutCancel(ctx), ends)
	defer cancel()
	_ = t.events.Close(last) // it has said what went wrong, which has nothing to do with the clients
	return err
}
