package main

import (
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve", "--help"}, {"push", "-h"}} {
		code, out, errs := runIn(args, nil, "")
		if code != 0 || !strings.HasPrefix(out, "Usage: castgate") || errs != "" {
			t.Errorf("%q: exit %d, stderr %q, stdout\n%s", args, code, errs, out)
		}
	}
	_, out, _ := runIn([]string{"serve", "--help"}, nil, "")
	for _, want := range []string{"--ping-interval=25s", "$CASTGATE_PING_INTERVAL", "$CASTGATE_CONFIG"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the help of serve:\n%s", want, out)
		}
	}
	if _, out, _ = runIn([]string{"push", "--help"}, nil, ""); strings.Contains(out, "$CASTGATE_TEXT") {
		t.Errorf("arguments of one command are said to have variables:\n%s", out)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"sreve"}, {"config"}, {"push", "--uid"}, {"version", "now"}, {"serve", "--listen=\xff"}} {
		code, out, errs := runIn(args, nil, "")
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "castgate: ") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q; want exit 2 and one line", args, code, out, errs)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\nb\r\nc\n"); got != "a; b; c" {
		t.Errorf("%q", got)
	}
}
