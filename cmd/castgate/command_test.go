package main

import (
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/process"
)

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve", "--help"}, {"push", "-h"}, {"help"}, {"help", "push"}, {"help", "session", "put"}} {
		code, out, errs := runIn(args, nil, "")
		if code != 0 || !strings.HasPrefix(out, "Usage: castgate") || errs != "" {
			t.Errorf("%q: exit %d, stderr %q, stdout\n%s", args, code, errs, out)
		}
	}
	_, out, _ := runIn([]string{"help", "key", "new"}, nil, "")
	if _, want, _ := runIn([]string{"key", "new", "--help"}, nil, ""); out != want {
		t.Errorf("help of a command:\n%s\nwant\n%s", out, want)
	}
	_, out, _ = runIn([]string{"serve", "--help"}, nil, "")
	for _, want := range []string{"--ping-interval=25s", "$CASTGATE_PING_INTERVAL", "$CASTGATE_CONFIG"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the help of serve:\n%s", want, out)
		}
	}
	if _, out, _ = runIn([]string{"doctor", "--help"}, nil, ""); !strings.Contains(out, "--conns=0") {
		t.Errorf("the default of --conns is not shown:\n%s", out)
	}
	if _, out, _ = runIn([]string{"push", "--help"}, nil, ""); strings.Contains(out, "$CASTGATE_TEXT") {
		t.Errorf("arguments of one command are said to have variables:\n%s", out)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"sreve"}, {"config"}, {"push", "--uid"}, {"version", "now"}, {"help", "sreve"}, {"serve", "--listen=\xff"}} {
		code, out, errs := runIn(args, nil, "")
		if code != process.ExitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "castgate: ") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and one line", args, code, out, errs)
		}
	}
}

// A value that begins with - is mistaken for a flag, an unquoted one for
// arguments. It may be a pasted key, so no error shows it.
func TestErrorsWithoutValues(t *testing.T) {
	const secret = "-hunter2"
	for _, tt := range []struct {
		args []string
		want string // after the program's name
	}{
		{[]string{"serve", "--control-key", secret}, "--control-key: the value begins with -; write --control-key=VALUE"},
		{[]string{"serve", "--control-key", "one," + secret}, "--control-key: an item begins with -; write --control-key=VALUE"},
		{[]string{"serve", "--jwt-secret", "-" + secret}, "--jwt-secret: the value begins with -; write --jwt-secret=VALUE"},
		{[]string{"serve", "--gatewayworker-secret", secret}, "--gatewayworker-secret: the value begins with -; write --gatewayworker-secret=VALUE"},
		{[]string{"push", "--control-key", secret, "--all", "--text=x"}, "--control-key: the value begins with -; write --control-key=VALUE"},
		{[]string{"serve", "--ping-timeout", "-1s"}, "--ping-timeout: the value begins with -; write --ping-timeout=VALUE"},
		{[]string{"serve", "--loops", "-1"}, "--loops: the value begins with -; write --loops=VALUE"},
		{[]string{"push", "--text", "-x"}, "--text: the value begins with -; write --text=VALUE"},
		{[]string{"serve", "--control-key", "my", secret[1:]}, "serve: one argument too many; quote values that contain spaces"},
		{[]string{"config", "check", "--jwt-secret=my", secret[1:]}, "check: one argument too many; quote values that contain spaces"},
		{[]string{"push", "--text"}, "--text: a value is missing"},
		{[]string{"push", "--uid"}, "--uid: a value is missing"},
	} {
		code, out, errs := runIn(tt.args, nil, "")
		if code != process.ExitUsage || out != "" || errs != "castgate: "+tt.want+"\n" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want %q", tt.args, code, out, errs, tt.want)
		}
	}
	code, _, errs := runIn([]string{"config", "check", "--control-key=" + secret + ",-two", "--compress", "--loops=2"}, nil, "")
	if code != 0 {
		t.Errorf("behind = a value may begin with -: exit %d, %s", code, errs)
	}
}
