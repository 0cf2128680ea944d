package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/commandline/linetest"
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

// applied records what a reload has passed on; it can refuse.
type applied struct {
	targets      events.Targets
	target       events.HookTarget
	policy       admission.Policy
	limits       capacity.Capacity
	access       access.Access
	noPolicy     error
	noAccess     error
	accessesSeen int

	certificates   []string // and keys, as they were last read
	noCertificates error
	tls            control.TLS
	control        control.Limits
}

func (a *applied) SetTLS(files control.TLS) (func(), error) {
	before := a.tls
	a.tls = files
	return func() { a.tls = before }, nil
}

func (a *applied) SetCertificates(certs, keys []string) (func(), error) {
	if a.noCertificates == nil {
		a.certificates = slices.Concat(certs, keys)
	}
	return func() {}, a.noCertificates
}

func (a *applied) SetTargets(t events.Targets) error {
	a.targets = t
	return nil
}

func (a *applied) SetTarget(t events.HookTarget) error {
	a.target = t
	return nil
}

func (a *applied) SetPolicy(p admission.Policy) error {
	if a.noPolicy == nil {
		a.policy = p
	}
	return a.noPolicy
}

func (a *applied) SetCapacity(n capacity.Capacity) error {
	a.limits = n
	return nil
}

func (a *applied) SetLimits(n control.Limits) error {
	a.control = n
	return nil
}

func (a *applied) SetAccess(access access.Access) error {
	a.accessesSeen++
	if a.noAccess == nil {
		a.access = access
	}
	return a.noAccess
}

// running is a reloader as serve makes it, for a file with this text.
func running(t *testing.T, text string, args ...string) (r *reloader, a *applied, file string) {
	t.Helper()
	file = linetest.File(t, "castgate.toml", text, 0o600)
	args = append([]string{"serve", "--config", file}, args...)
	var c serveLine
	p := &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Args: args}
	src := knob.NewSources(nil)
	parser, err := commandline.NewParser(&c, src, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	e, err := c.Serve.resolve(p, src)
	if err != nil {
		t.Fatal(err)
	}
	a = &applied{policy: e.server.Policy, limits: e.server.Capacity, access: e.control.Access, control: e.control.Limits}
	l := logs.New(&bytes.Buffer{}, "text")
	t.Cleanup(func() { l.End("") })
	audit := logs.NewAudit(l, "text")
	return &reloader{process: *p, log: e.logger, level: e.level, audit: audit, gateway: a, control: a, events: a, controlRoom: 1000, values: knob.Values(parser.Model), now: e}, a, file
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func expectReload(t *testing.T, r *reloader, changed, restart string) {
	t.Helper()
	got, err := r.reload()
	if err != nil || fmt.Sprint(got.Changed) != "["+changed+"]" || fmt.Sprint(got.NeedsRestart) != "["+restart+"]" {
		t.Errorf("%+v, %v; want changed %s, restart %s", got, err, changed, restart)
	}
}

func TestReloadApplies(t *testing.T) {
	r, a, file := running(t, "allowed-origins = ['a.example']\ndrain-timeout = '20s'\n", "--log-level=warn")
	expectReload(t, r, "", "")
	audit := filepath.Join(t.TempDir(), "audit.log")
	rewrite(t, file, "allowed-origins = ['b.example']\ndrain-timeout = '30s'\nlisten = ':1'\nlog-level = 'debug'\ncontrol-allow = ['127.0.0.1']\ncontrol-key = ['new']\naudit-log = '"+audit+"'\n")
	// The flag takes precedence over the file after a reload, as before.
	expectReload(t, r, "allowed-origins control-key control-allow audit-log", "listen drain-timeout")
	if r.level.Level() != slog.LevelWarn {
		t.Errorf("level %v", r.level.Level())
	}
	if fmt.Sprint(a.policy.AllowedOrigins) != "[b.example]" || fmt.Sprint(a.access.Keys) != "[new]" || fmt.Sprint(a.access.Allow) != "[127.0.0.1/32]" {
		t.Errorf("applied %+v", a)
	}
	if _, err := os.Stat(audit); err != nil {
		t.Error(err)
	}
	// Settings that wait for a restart are reported each time, until the file
	// no longer contains them.
	expectReload(t, r, "", "listen drain-timeout")
	rewrite(t, file, "drain-timeout = '20s'\ncontrol-key = ['newer']\n")
	expectReload(t, r, "allowed-origins control-key control-allow audit-log", "")
	if len(a.policy.AllowedOrigins)+len(a.access.Allow) != 0 || fmt.Sprint(a.access.Keys) != "[newer]" {
		t.Errorf("applied %+v", a)
	}
}

func TestReloadLogLevel(t *testing.T) {
	r, _, file := running(t, "")
	rewrite(t, file, "log-level = 'error'\nlog-format = 'json'\n")
	expectReload(t, r, "log-level", "log-format")
	if r.level.Level() != slog.LevelError {
		t.Errorf("level %v", r.level.Level())
	}
}

// The content of files of keys counts, not only their names.
func TestReloadKeyFiles(t *testing.T) {
	line := "read a sha256:" + strings.Repeat("0f", 32) + "\n"
	scoped, plain := linetest.File(t, "scoped", line, 0o600), linetest.File(t, "plain", "one\n", 0o600)
	r, a, _ := running(t, "", "--control-keys-file", scoped, "--control-key", "@"+plain)
	expectReload(t, r, "", "")
	rewrite(t, scoped, "push b sha256:"+strings.Repeat("1f", 32)+"\n")
	expectReload(t, r, "control-keys-file", "")
	rewrite(t, plain, "two\n")
	expectReload(t, r, "control-key", "")
	if a.access.ScopedKeys[0].Name != "b" || a.access.Keys[0] != "two" {
		t.Errorf("applied %+v", a.access)
	}
}

// The same holds for certificates and their keys.
func TestReloadCertificateFiles(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"tls-cert", "tls-key", "control-tls-cert", "control-tls-key", "control-client-ca"} {
		files[name] = linetest.File(t, name, "first\n", 0o600)
	}
	config := fmt.Sprintf(secureListener+"tls-cert = ['%s']\ntls-key = ['%s']\n", files["tls-cert"], files["tls-key"])
	for _, name := range []string{"control-tls-cert", "control-tls-key", "control-client-ca"} {
		config += fmt.Sprintf("%s = '%s'\n", name, files[name])
	}
	r, _, _ := running(t, config)
	expectReload(t, r, "", "")
	for name, file := range files {
		rewrite(t, file, "second\n")
		expectReload(t, r, name, "")
		expectReload(t, r, "", "")
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r.now.files = append(r.now.files, pipe)
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}

// No more control connections are promised than there are files for.
func TestReloadControlConns(t *testing.T) {
	r, a, file := running(t, "")
	rewrite(t, file, "control-max-conns = 5000\n")
	expectReload(t, r, "control-max-conns", "")
	if a.control.MaxConns != r.controlRoom {
		t.Errorf("%d control connections, of room for %d", a.control.MaxConns, r.controlRoom)
	}
}

// The same holds for files of keys for tokens.
func TestReloadTokenKeys(t *testing.T) {
	secret := linetest.File(t, "secret", strings.Repeat("a", 32)+"\n", 0o600)
	r, a, _ := running(t, "jwt-public-key = 'testdata/ed25519.pem'\n", "--jwt-secret", "@"+secret)
	expectReload(t, r, "", "")
	before := fmt.Sprint(a.policy.JWT.Keys)
	rewrite(t, secret, strings.Repeat("b", 32)+"\n")
	expectReload(t, r, "jwt-secret", "")
	if len(a.policy.JWT.Keys) != 2 || fmt.Sprint(a.policy.JWT.Keys) == before {
		t.Error("the new secret was not applied")
	}
}

// An invalid configuration changes nothing, and the error says why.
func TestReloadRefused(t *testing.T) {
	line := "read a sha256:" + strings.Repeat("0f", 32) + "\n"
	keys := linetest.File(t, "keys", line, 0o600)
	r, a, file := running(t, "control-keys-file = '"+keys+"'\n")
	before := fmt.Sprint(a.policy, a.limits, a.access)
	for _, tt := range []struct{ file, keys, want string }{
		{"allowed-origins = ['b.example']\nloops = 0\n", line, "--loops: 0 is not between"},
		{"allowed-origins = ['b.example']\nlistn = ':1'\n", line, `unknown setting "listn"`},
		{"allowed-origins = ['b.example'\n", line, "castgate.toml:"},
		{"control-keys-file = '" + keys + "'\nallowed-origins = ['b.example']\n", line + "half a li", "line 2: "},
		{"control-keys-file = '" + keys + "'\nallowed-origins = ['b.example']\n", "", "holds no key"},
		{"control-keys-file = '/nowhere/keys'\n", line, "/nowhere/keys"},
		{"control-keys-file = '" + keys + "'\nallowed-origins = ['b.example']\naudit-log = '/nowhere/audit.log'\n", line, "--audit-log: "},
		{"allowed-origins = ['b.example']\nlog-level = 'loud'\n", line, "--log-level: "},
		{"allowed-origins = ['b.example']\n", line, "--control-keys-file: this would remove the last key"},
		{"", line, "castgate.toml is empty now"},
		{"allowed-origins = ['b.example']\ncontrol-allow = ['example.com']\n", line, "--control-allow: "},
	} {
		rewrite(t, file, tt.file)
		rewrite(t, keys, tt.keys)
		_, err := r.reload()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", tt.file, err, tt.want)
		}
		if got := fmt.Sprint(a.policy, a.limits, a.access); got != before || r.level.Level() != slog.LevelInfo {
			t.Errorf("%q: changed to %s", tt.file, got)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reload(); err == nil {
		t.Error("a file that is gone was taken for an empty one")
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}

// A reload waits for no pipe, wherever it is: another reload could not begin.
func TestReloadPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"control-key = ['@%s']\n", "control-keys-file = '%s'\n", "jwt-secret = '@%s'\n", "jwt-public-key = '%s'\n", "jwt-jwks = '%s'\n",
		"gatewayworker-inner = '127.0.0.1:0'\ngatewayworker-secret = '@%s'\n",
	} {
		r, _, file := running(t, "node = 7\n")
		rewrite(t, file, fmt.Sprintf(text, pipe))
		refused := make(chan error, 1)
		go func() {
			_, err := r.reload()
			refused <- err
		}()
		select {
		case err := <-refused:
			if err == nil || !strings.Contains(err.Error(), pipe+" is not a regular file") {
				t.Errorf("%s%v", text, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%sis waited for", text)
		}
	}
}

// If one part refuses, the others get their previous settings back.
func TestReloadIsWhole(t *testing.T) {
	r, a, file := running(t, secureListener+"tls-cert = ['z']\ntls-key = ['z']\ncontrol-key = ['old']\n")
	rewrite(t, file, secureListener+"control-key = ['new']\nlog-level = 'error'\nsend-queue = 1000\n"+
		"tls-cert = ['a']\ntls-key = ['b']\ncontrol-tls-cert = 'c'\ncontrol-tls-key = 'd'\n")
	a.noAccess = setting.Errorf("control", "exposed")
	if _, err := r.reload(); err == nil || err.Error() != "--control: exposed" {
		t.Errorf("%v", err)
	}
	a.noAccess, a.noPolicy = nil, errors.New("jwt: wrong")
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
	if a.access.Keys[0] != "old" || a.limits.SendQueue != 1<<18 || r.level.Level() != slog.LevelInfo || a.accessesSeen != 3 {
		t.Errorf("left at %+v, level %v", a, r.level.Level())
	}
	if a.certificates != nil || a.tls.Cert != "" {
		t.Error("certificates were read for a reload that was refused")
	}
	a.noPolicy, a.noCertificates = nil, setting.Errorf("tls-cert", "half a file")
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "--tls-cert: half a file") {
		t.Errorf("%v", err)
	}
	if a.access.Keys[0] != "old" || a.limits.SendQueue != 1<<18 || a.tls.Cert != "" || r.level.Level() != slog.LevelInfo {
		t.Errorf("left at %+v, level %v", a, r.level.Level())
	}
	a.noCertificates = nil
	expectReload(t, r, "send-queue tls-cert tls-key control-key control-tls-cert control-tls-key log-level", "")
}

// Each setting that is marked as applied by a reload reaches the parts that
// apply it: with another value, they are told something else.
func TestHotKnobsAreApplied(t *testing.T) {
	keys := linetest.File(t, "keys", "read a sha256:"+strings.Repeat("0f", 32)+"\n", 0o600)
	values := hotValues(keys)
	var c commands
	s := knob.NewSources(nil)
	parser, err := commandline.NewParser(&c, s, &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range knob.OfServe(parser.Model) {
		if !knob.Is(f) || !knob.Hot(f) {
			continue
		}
		setting, ok := values[f.Name]
		if !ok {
			t.Errorf("no value of %s to try: add one to hotValues", f.Name)
			continue
		}
		r, a, file := running(t, setting[0])
		source := r.audit.Source()
		before := fmt.Sprintf("%+v %v", a, r.level) + fmt.Sprint(source.Enabled(t.Context(), 0))
		rewrite(t, file, setting[1])
		expectReload(t, r, f.Name, "")
		if after := fmt.Sprintf("%+v %v", a, r.level) + fmt.Sprint(source.Enabled(t.Context(), 0)); after == before {
			t.Errorf("%s is marked as applied by a reload, but is not", f.Name)
		}
	}
}

const keysByURL = "jwt-jwks = 'https://login.example/jwks.json'\n"

const tokenSecret = "jwt-secret = 'a secret of more than thirty-two bytes'\n"

// secureListener is what tls-cert needs to have an effect.
const secureListener = "listen = ['wss://:7443']\n"

const controlTLS = "control-tls-cert = 'c'\ncontrol-tls-key = 'k'\n"

// hotValues are configurations before and after a change of one setting.
func hotValues(keys string) map[string][2]string {
	return map[string][2]string{
		"max-conns":            {"", "max-conns = 7\n"},
		"max-message":          {"", "max-message = 1000\n"},
		"max-handshake":        {"", "max-handshake = '64KiB'\n"},
		"compress-not-for":     {"compress = true\n", "compress = true\ncompress-not-for = ['Old/1']\n"},
		"send-queue":           {"", "send-queue = 1000\n"},
		"control-max-body":     {"", "control-max-body = '2KiB'\n"},
		"control-max-conns":    {"", "control-max-conns = 7\n"},
		"control-timeout":      {"", "control-timeout = '3s'\n"},
		"push-queue":           {"", "push-queue = 1000\n"},
		"handshake-timeout":    {"", "handshake-timeout = '3s'\n"},
		"unbound-timeout":      {"", "unbound-timeout = '3s'\n"},
		"ping-interval":        {"", "ping-interval = '3s'\n"},
		"ping-timeout":         {"", "ping-timeout = '3s'\n"},
		"tcp-keepalive":        {"", "tcp-keepalive = '3s'\n"},
		"slow-policy":          {"", "slow-policy = 'drop'\n"},
		"allowed-origins":      {"", "allowed-origins = ['b.example']\n"},
		"trusted-proxies":      {"", "trusted-proxies = ['10.0.0.0/8']\n"},
		"max-conns-per-ip":     {"", "max-conns-per-ip = 5\n"},
		"connect-rate-per-ip":  {"", "connect-rate-per-ip = 0.5\n"},
		"connect-burst-per-ip": {"connect-rate-per-ip = 5\n", "connect-rate-per-ip = 5\nconnect-burst-per-ip = 9\n"},
		"handshake-rate":       {"", "handshake-rate = 5\n"},
		"handshake-burst":      {"handshake-rate = 5\n", "handshake-rate = 5\nhandshake-burst = 9\n"},
		"message-rate":         {"", "message-rate = 5\n"},
		"message-burst":        {"message-rate = 5\n", "message-rate = 5\nmessage-burst = 9\n"},
		"byte-rate":            {"", "byte-rate = '1KiB'\n"},
		"byte-burst":           {"byte-rate = '1KiB'\n", "byte-rate = '1KiB'\nbyte-burst = '1MiB'\n"},
		"jwt-secret":           {"", tokenSecret},
		"jwt-public-key":       {"", "jwt-public-key = 'testdata/ed25519.pem'\n"},
		"jwt-jwks":             {"", "jwt-jwks = 'testdata/jwks.json'\n"},
		"jwt-issuer":           {tokenSecret, tokenSecret + "jwt-issuer = 'login'\n"},
		"jwt-audience":         {tokenSecret, tokenSecret + "jwt-audience = 'push'\n"},
		"jwt-leeway":           {tokenSecret, tokenSecret + "jwt-leeway = '7s'\n"},
		"jwt-jwks-refresh":     {keysByURL, keysByURL + "jwt-jwks-refresh = '10m'\n"},
		"jwt-cookie":           {tokenSecret, tokenSecret + "jwt-cookie = 'token'\n"},
		"jwt-query":            {tokenSecret, tokenSecret + "jwt-query = 'token'\n"},
		"jwt-required":         {tokenSecret, tokenSecret + "jwt-required = true\n"},
		"control-key":          {"", "control-key = ['new']\n"},
		"control-keys-file":    {"", "control-keys-file = '" + keys + "'\n"},
		"tls-cert":             {secureListener + "tls-cert = ['a']\ntls-key = ['k']\n", secureListener + "tls-cert = ['b']\ntls-key = ['k']\n"},
		"tls-key":              {secureListener + "tls-cert = ['a']\ntls-key = ['k']\n", secureListener + "tls-cert = ['a']\ntls-key = ['l']\n"},
		"control-tls-cert":     {controlTLS, strings.Replace(controlTLS, "'c'", "'d'", 1)},
		"control-tls-key":      {controlTLS, strings.Replace(controlTLS, "'k'", "'l'", 1)},
		"control-client-ca":    {controlTLS, controlTLS + "control-client-ca = 'ca'\n"},
		"control-cors-origins": {"control-key = ['new']\n", "control-key = ['new']\ncontrol-cors-origins = ['https://admin.example']\n"},
		"control-allow":        {"", "control-allow = ['127.0.0.1']\n"},
		"audit-log":            {"audit-log = 'off'\n", "audit-log = 'stderr'\n"},
		"log-level":            {"", "log-level = 'debug'\n"},
		"events-url":           {"events-url = ['http://a/']\n", "events-url = ['http://a/', 'http://b/']\n"},
		"connect-url":          {"connect-url = 'http://a/'\n", "connect-url = 'http://b/'\n"},
		"events-secret":        {"events-url = ['http://a/']\n", "events-url = ['http://a/']\nevents-secret = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\n"},
	}
}
