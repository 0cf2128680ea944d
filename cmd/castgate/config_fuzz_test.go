package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/process"
)

// FuzzConfigFile: whatever a file contains, config check returns ok or one line
// that says what is wrong; an accepted configuration is printed as a file with
// the same meaning.
func FuzzConfigFile(f *testing.F) {
	f.Add([]byte("listen = ':0'\nloops = 2\nping-interval = '1m30s'\nmax-message = '64KiB'\n"))
	f.Add([]byte("connect-rate-per-ip = 0.5\ntrusted-proxies = ['10.0.0.0/8', 'fd00::/8']\ncompress = true\n"))
	f.Add([]byte("[server]\nloops = 2\n"))
	f.Chdir(f.TempDir()) // file names in the input refer to nothing
	f.Fuzz(func(t *testing.T, text []byte) {
		if reads(text) {
			return
		}
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := runIn([]string{"config", "check", "--config", path}, nil, "")
		if code == process.ExitUsage {
			if out != "" || !strings.HasPrefix(errs, "castgate: ") || strings.Count(errs, "\n") != 1 {
				t.Fatalf("stdout %q, stderr %q", out, errs)
			}
			return
		}
		if code != 0 || out != "ok\n" {
			t.Fatalf("exit %d, stdout %q, stderr %q", code, out, errs)
		}
		_, printed, _ := runIn([]string{"config", "print", "--config", path}, nil, "")
		if strings.Contains(printed, "given, not shown") {
			return
		}
		if err := os.WriteFile(path, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
		code, again, errs := runIn([]string{"config", "print", "--config", path}, nil, "")
		if code != 0 || settingLines(again) != settingLines(printed) {
			t.Fatalf("exit %d, %q; printed\n%s\nread back as\n%s", code, errs, settingLines(printed), settingLines(again))
		}
	})
}

// reads reports whether a file of settings may name a file outside the test's
// directory, which a fuzzer must not read.
func reads(text []byte) bool {
	for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune("\"'\n,=[] ", r) }) {
		_, err := netip.ParsePrefix(word)
		if strings.ContainsAny(word, `/\@`) && err != nil && !strings.Contains(word, "://") {
			return true
		}
	}
	return false
}
