package main

import (
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
)

// A short key, which may be the rest of a longer one, causes a warning if other
// hosts can try.
func TestShortKeys(t *testing.T) {
	const short, long = "fifteen-letters", "sixteen-letters!"
	file := linetest.File(t, "keys", long+"\n"+long[:15]+"\n", 0o600)
	for _, tt := range []struct {
		control, keys, want string
	}{
		{"0.0.0.0:7273", long, ""},
		{"0.0.0.0:7273", short, "control-key: 1 of 1 keys has fewer than 16 characters"},
		{":7273", long + "," + short, "control-key: 1 of 2 keys has fewer than 16"},
		{"gateway.example:7273", "a,b," + long, "control-key: 2 of 3 keys have fewer than 16"},
		{"[::]:7273", "@" + file, "control-key: 1 of 2 keys has fewer than 16"},
		{"127.0.0.1:7273", short, ""},
		{"[::1]:7273", short, ""},
		{"localhost:7273", short, ""},
		{"unix:/run/castgate.sock", short, ""},
	} {
		e, err := resolved(t, []string{"--control", tt.control, "--control-key", tt.keys}, nil)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		got := strings.Join(e.warnings, "; ")
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || strings.Contains(got, "letters") {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	code, out, errs := runIn([]string{"config", "check", "--control", ":7273", "--control-key", short}, nil, "")
	if code != 0 || out != "ok\n" || !strings.HasPrefix(errs, "castgate: warning: control-key: 1 of 1 keys") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}
