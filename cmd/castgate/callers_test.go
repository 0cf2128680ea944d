package main

import (
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
)

// A short key, which may be the rest of a longer one, is refused if other hosts can try it,
// at the control API or at the admin page. Elsewhere it causes a warning.
func TestShortKeys(t *testing.T) {
	const short, long = "fifteen-letters", "sixteen-letters!"
	const page = " --admin-tls-cert c --admin-tls-key k --admin "
	file := linetest.File(t, "keys", long+"\n"+long[:15]+"\n", 0o600)
	for _, tt := range []struct {
		control, keys, refused, warned string
	}{
		{"0.0.0.0:7273", long, "", ""},
		{"127.0.0.1:7273" + page + "0.0.0.0:7274", long, "", ""},
		{"0.0.0.0:7273", short, "1 of 1 keys has fewer than 16 characters and can be guessed, and other hosts reach control 0.0.0.0:7273", ""},
		{":7273", long + "," + short, "1 of 2 keys has fewer than 16", ""},
		{"gateway.example:7273", "a,b," + long, "2 of 3 keys have fewer than 16", ""},
		{"[::]:7273", "@" + file, "1 of 2 keys has fewer than 16", ""},
		{"127.0.0.1:7273" + page + "0.0.0.0:7274", "abc", "1 of 1 keys has fewer than 16 characters and can be guessed, and other hosts reach admin 0.0.0.0:7274", ""},
		{"unix:/run/castgate.sock" + page + "gateway.example:7274", short, "1 of 1 keys has", ""},
		{"127.0.0.1:7273", long, "", ""},
		{"127.0.0.1:7273 --admin 127.0.0.1:7274", short, "", "1 of 1 keys has fewer than 16 characters and can be guessed by every"},
		{"[::1]:7273", short, "", "1 of 1"},
		{"localhost:7273", "a," + short, "", "2 of 2 keys have"},
		{"unix:/run/castgate.sock", short, "", "1 of 1"},
	} {
		args := append([]string{"--control-key", tt.keys, "--control"}, strings.Fields(tt.control)...)
		e, err := resolved(t, args, nil)
		if tt.refused != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "--control-key: "+tt.refused) || strings.Contains(err.Error(), "letters") {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		got := strings.Join(e.warnings, "; ")
		if tt.warned == "" && got != "" || tt.warned != "" && !strings.HasPrefix(got, "control-key: "+tt.warned) || strings.Contains(got, "letters") {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	code, out, errs := runIn([]string{"config", "check", "--control-key", short}, nil, "")
	if code != 0 || out != "ok\n" || !strings.HasPrefix(errs, "castgate: warning: control-key: 1 of 1 keys") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}
