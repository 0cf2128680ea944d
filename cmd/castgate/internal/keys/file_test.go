package keys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

const threeKeys = "# of the backend\n" +
	"push,manage backend sha256:1111111111111111111111111111111111111111111111111111111111111111\r\n" +
	"\n  # its new one\n" +
	"push,manage backend sha256:2222222222222222222222222222222222222222222222222222222222222222 2026-01-31T12:00:00Z\n" +
	"read  dashboard  sha256:3333333333333333333333333333333333333333333333333333333333333333\n# the end"

func TestKeyList(t *testing.T) {
	file := linetest.File(t, "keys", threeKeys, 0o600)
	code, out, errs := runKey([]string{"key", "list", "--file", file}, nil, "")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || errs != "" || len(lines) != 4 {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	for i, want := range []string{"NAME SCOPES FINGERPRINT CREATED", "backend push,manage 111111111111 -", "backend push,manage 222222222222 2026-01-31T12:00:00Z", "dashboard read 333333333333 -"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d is %s, want %s", i, got, want)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), linetest.File(t, "other", "castgate_secret\n", 0o600)} {
		if code, out, errs := runKey([]string{"key", "list", "--file", path}, nil, ""); code != process.ExitFailed || out != "" || errs == "" || strings.Contains(errs, "castgate_secret") {
			t.Errorf("%s: exit %d, %q, %q", path, code, out, errs)
		}
	}
}

// Revoking a key leaves the rest of the file unchanged, including comments and
// mode, and replaces the file atomically.
func TestKeyRevoke(t *testing.T) {
	lines := strings.SplitAfter(threeKeys, "\n")
	without := func(gone ...int) string {
		var kept strings.Builder
		for i, line := range lines {
			if len(gone) > 0 && gone[0] == i {
				gone = gone[1:]
				continue
			}
			kept.WriteString(line)
		}
		return kept.String()
	}
	for _, tt := range []struct {
		args []string
		code int
		out  string
		left string
	}{
		{[]string{"--name", "backend"}, 0, "revoked backend 111111111111\nrevoked backend 222222222222\n", without(1, 4)},
		{[]string{"--fingerprint", "11111111"}, 0, "revoked backend 111111111111\n", without(1)},
		{[]string{"--name", "backend", "--fingerprint", "sha256:2222222222"}, 0, "revoked backend 222222222222\n", without(4)},
		{[]string{"--name", "dashboard", "--fingerprint", "22222222"}, process.ExitFailed, "", threeKeys},
		{[]string{"--name", "nobody"}, process.ExitFailed, "", threeKeys},
		{[]string{"--fingerprint", "1111"}, process.ExitUsage, "", threeKeys},
		{nil, process.ExitUsage, "", threeKeys},
	} {
		file := linetest.File(t, "keys", threeKeys, 0o640)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		code, out, errs := runKey(append([]string{"key", "revoke", "--file", link}, tt.args...), nil, "")
		if code != tt.code || out != tt.out || (code == 0) != strings.Contains(errs, "castgate reload") {
			t.Errorf("%q: exit %d, %q, %q", tt.args, code, out, errs)
		}
		text, err := os.ReadFile(file)
		if err != nil || string(text) != tt.left {
			t.Errorf("%q left %q, %v, want %q", tt.args, text, err, tt.left)
		}
		if info, err := os.Lstat(file); err != nil || info.Mode() != 0o640 {
			t.Errorf("%q: mode %v, %v", tt.args, info.Mode(), err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
			t.Errorf("%q: the link is %v, %v", tt.args, info.Mode(), err)
		}
		if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
			t.Errorf("%q left %v, %v", tt.args, files, err)
		}
	}
	last := linetest.File(t, "last", lines[1], 0o600)
	if code, _, errs := runKey([]string{"key", "revoke", "--file", last, "--name", "backend"}, nil, ""); code != process.ExitFailed || !strings.Contains(errs, "last key") {
		t.Errorf("the last key: exit %d, %q", code, errs)
	}
}
