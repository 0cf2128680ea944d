package main

import (
	"encoding"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		if code == exitUsage {
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

// FuzzValue: an accepted duration, size or rate has the same meaning when it is
// formatted and parsed again; accepted networks are masked.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"0", "25s", "1m30s", "64KiB", "1.5MiB", "0.5", "10.0.0.0/8,fd00::/8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, d2 duration
		var s, s2 size
		var r, r2 rate
		for _, v := range []struct {
			first, second interface {
				encoding.TextUnmarshaler
				String() string
			}
		}{{&d, &d2}, {&s, &s2}, {&r, &r2}} {
			if err := v.first.UnmarshalText([]byte(text)); err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%q: %q", text, err)
				}
				continue
			}
			if err := v.second.UnmarshalText([]byte(v.first.String())); err != nil || v.second.String() != v.first.String() {
				t.Errorf("%q is %s, and that is %s, %v", text, v.first, v.second, err)
			}
		}
		if d != d2 || s != s2 || r != r2 {
			t.Errorf("%q: %v and %v, %v and %v, %v and %v", text, d, d2, s, s2, r, r2)
		}
		networks, _, err := readNetworks(strings.Split(text, ","))
		for _, n := range networks {
			if err != nil || !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
				t.Errorf("%q: %v, %v", text, networks, err)
			}
		}
	})
}
