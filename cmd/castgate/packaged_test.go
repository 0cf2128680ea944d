package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

const packaged = "../../deploy/packages/files/"

// readUnit reads a unit file.
func readUnit(t *testing.T, name string) map[string]section {
	t.Helper()
	text, err := os.ReadFile(packaged + name)
	if err != nil {
		t.Fatal(err)
	}
	unit, current := map[string]section{}, section{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			current = section{}
			unit[strings.Trim(line, "[]")] = current
		} else if key, value, assigns := strings.Cut(line, "="); assigns && !strings.HasPrefix(line, "#") {
			current[key] = append(current[key], value)
		}
	}
	return unit
}

// The service that packages install runs castgate with the settings that they install, as
// their user, with the socket of theirs, and allows what castgate needs.
func TestPackagedService(t *testing.T) {
	service, socket := readUnit(t, "castgate.service")["Service"], readUnit(t, "castgate.socket")["Socket"]
	for key, want := range map[string]string{
		"ExecStart": "/usr/bin/castgate serve --config /etc/castgate/castgate.toml",
		"Type":      "notify", "User": "castgate", "Group": "castgate", "CapabilityBoundingSet": "", "LimitNOFILE": "1048576",
		"StateDirectory": "castgate", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "WatchdogSec": "30",
	} {
		if !slices.Equal(service[key], []string{want}) {
			t.Errorf("%s=%q, want %q", key, service[key], want)
		}
	}
	users, err := os.ReadFile(packaged + "castgate.sysusers")
	if err != nil || !strings.HasPrefix(string(users), "u castgate ") {
		t.Errorf("%s %v", users, err)
	}
	file := filepath.Join(packaged, "castgate.toml")
	e, err := resolved(t, []string{"--config", file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"fd:" + socket["FileDescriptorName"][0]}; !slices.Equal(e.server.Listen, want) {
		t.Errorf("it listens on %q, want %q", e.server.Listen, want)
	}
	if e.control.Listen != "127.0.0.1:7273" {
		t.Errorf("the control API is on %s", e.control.Listen)
	}
}

// What the packaged file of settings shows as comments can be used once the # is gone.
func TestPackagedSettings(t *testing.T) {
	text, err := os.ReadFile(packaged + "castgate.toml")
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	newKey := strings.Fields("key new --name backend --scope push,manage --file " + keys)
	if code := run(newKey, process.Process{Stdout: io.Discard, Stderr: os.Stderr}); code != 0 || !strings.Contains(string(text), "castgate key new --name backend --scope push,manage --file") {
		t.Fatalf("exit %d of the command that the file names", code)
	}
	shown := regexp.MustCompile(`(?m)^# ([a-z-]+ = )`)
	if n := len(shown.FindAll(text, -1)); n < 4 {
		t.Fatalf("only %d settings are shown", n)
	}
	all := strings.ReplaceAll(shown.ReplaceAllString(string(text), "$1"), "/etc/castgate/keys", keys)
	all = strings.ReplaceAll(all, "/var/lib/castgate/events", t.TempDir())
	if _, err := resolved(t, []string{"--config", linetest.File(t, "castgate.toml", all, 0o600)}, nil); err != nil {
		t.Errorf("%v\n%s", err, all)
	}
}
