package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/control/access"
)

// The output of key new is a file of keys, except for the key itself.
// runKey runs a command line of castgate key.
func runKey(args, environ []string, stdin string) (code int, stdout, stderr string) {
	var grammar struct {
		Key Commands `cmd:""`
	}
	return linetest.Run(&grammar, args, environ, stdin)
}

func TestKeyNew(t *testing.T) {
	code, out, errs := runKey([]string{"key", "new", "--name", "backend", "--scope", "push,read"}, nil, "")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || errs != "" || len(lines) != 4 || !strings.HasPrefix(lines[1], "castgate_") {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	file := linetest.File(t, "keys", lines[3]+"\n", 0o600)
	k, _, err := ReadScoped(file, knob.ReadLimited)
	if err != nil {
		t.Fatal(err)
	}
	if len(k) != 1 || k[0].Name != "backend" || k[0].Scopes != access.ScopePush|access.ScopeRead {
		t.Errorf("%+v", k)
	}
	for _, args := range [][]string{{"--name", "a b", "--scope", "push"}, {"--name", "a", "--scope", "all"}, {"--name", "a"}, {"--scope", "push"}} {
		if code, out, errs := runKey(append([]string{"key", "new"}, args...), nil, ""); code != process.ExitUsage || out != "" || errs == "" {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestKeyNewIntoFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	add := func(name string) (int, string) {
		code, out, errs := runKey([]string{"key", "new", "--name", name, "--scope", "manage", "--scope", "read", "--file", file}, nil, "")
		if code == 0 && (strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "castgate_")) {
			t.Errorf("printed %q", out)
		}
		return code, errs
	}
	for _, name := range []string{"first", "second"} {
		if code, errs := add(name); code != 0 {
			t.Fatalf("%s: exit %d, %s", name, code, errs)
		}
	}
	if code, errs := add("first"); code != 0 {
		t.Errorf("a second key of a name: exit %d, %s", code, errs)
	}
	if code, errs := add("first"); code != process.ExitFailed || !strings.Contains(errs, "line 4") || !strings.Contains(errs, "nothing was written") {
		t.Errorf("a third: exit %d, %s", code, errs)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if keys, _, err := ReadScoped(file, knob.ReadLimited); err != nil || len(keys) != 3 || keys[1].Name != "second" || keys[2].Name != "first" {
		t.Errorf("%+v, %v", keys, err)
	}
	other := linetest.File(t, "other", "an unfinished line", 0o600)
	if code, _, _ := runKey([]string{"key", "new", "--name", "a", "--scope", "read", "--file", other}, nil, ""); code != process.ExitFailed {
		t.Errorf("a file that is none of keys: exit %d", code)
	}
	if text, _ := os.ReadFile(other); string(text) != "an unfinished line" {
		t.Errorf("it was changed to %q", text)
	}
}

func TestScopedKeysFile(t *testing.T) {
	line := "read a sha256:" + strings.Repeat("0f", 32) + "\n"
	file := linetest.File(t, "keys", line, 0o600)
	if err := os.Chmod(file, 0o664); err != nil {
		t.Fatal(err)
	}
	if _, warning, err := ReadScoped(file, knob.ReadLimited); err != nil || !strings.Contains(warning, "0664") {
		t.Errorf("warning %q, %v", warning, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, warning, err := ReadScoped(file, knob.ReadLimited); err != nil || warning != "" {
		t.Errorf("others may read hashes: warning %q, %v", warning, err)
	}
	for want, text := range map[string]string{"holds no key": "# none\n", "keys: line 2: ": line + "tell-nobody\n"} {
		_, _, err := ReadScoped(linetest.File(t, "keys", text, 0o600), knob.ReadLimited)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tell-nobody") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
