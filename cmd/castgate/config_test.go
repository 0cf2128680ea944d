package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
)

// runIn runs a command line in this process.
func runIn(args, environ []string, stdin string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, process.Process{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Environ: environ})
	return code, out.String(), errs.String()
}

// The output of config print is a file that gives the same configuration.
func TestConfigPrintReadsBack(t *testing.T) {
	keys := linetest.File(t, "keys", "alpha\n", 0o600)
	file := linetest.File(t, "first.toml", "ping-timeout = '7s'\nallowed-origins = ['a.example', \"*.b-c.example\"]\n", 0o600)
	environ := []string{"CASTGATE_INIT_MESSAGE=a \"quoted\"\n'line' \\ %s"}
	code, first, errs := runIn([]string{"config", "print", "--config", file, "--send-queue=1000", "--control-key=@" + keys}, environ, "")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, stderr %q", code, errs)
	}
	for _, want := range []string{
		"unit: duration; default: 10s; from: " + file + ":1\nping-timeout = '7s'\n",
		"unit: bytes; default: 256KiB; from: --send-queue\nsend-queue = '1000B'\n",
		"from: CASTGATE_INIT_MESSAGE\ninit-message = ",
		"unit: [scheme://]host:port; default: :7272; from: default\nlisten = [':7272']\n",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in\n%s", want, first)
		}
	}
	copied := filepath.Join(t.TempDir(), "second.toml")
	if err := os.WriteFile(copied, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	code, second, errs := runIn([]string{"config", "print", "--config", copied}, nil, "")
	if code != 0 {
		t.Fatalf("its own output is refused: %s", errs)
	}
	if a, b := settingLines(first), settingLines(second); a != b {
		t.Errorf("read back as\n%s\nwant\n%s", b, a)
	}
}

// settingLines drops the comments, which say where values came from.
func settingLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestKeysAreNotPrinted(t *testing.T) {
	const secret = "tell-nobody"
	for _, args := range [][]string{
		{"config", "print", "--control-key", secret},
		{"config", "check", "--control-key", secret},
		{"config", "print", "--control-key", secret, "--loops=0"},
	} {
		_, out, errs := runIn(args, nil, "")
		if strings.Contains(out+errs, secret) {
			t.Errorf("%q shows the key:\n%s%s", args, out, errs)
		}
	}
	code, out, errs := runIn([]string{"config", "print"}, []string{"CASTGATE_CONTROL_KEY=" + secret}, "")
	if code != 0 || strings.Contains(out+errs, secret) || !strings.Contains(out, "# control-key = (1 given, not shown)\n") {
		t.Errorf("exit %d, a key from a variable:\n%s%s", code, out, errs)
	}
}

func TestConfigCheck(t *testing.T) {
	if code, out, errs := runIn([]string{"config", "check"}, nil, ""); code != 0 || out != "ok\n" || errs != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
	keys := linetest.File(t, "keys", "alpha\n", 0o600)
	if err := os.Chmod(keys, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runIn([]string{"config", "check", "--control-key=@" + keys}, nil, "")
	if code != 0 || out != "ok\n" || !strings.Contains(errs, "can be read by others") {
		t.Errorf("exit %d, stdout %q, stderr %q; want ok and a warning", code, out, errs)
	}
	code, out, errs = runIn([]string{"config", "check", "--loops=0"}, nil, "")
	if code != process.ExitUsage || out != "" || errs != "castgate: --loops: 0 is not between 1 and 256\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
	}
}

// The check reports beforehand what a start would fail for, and creates no
// file.
func TestConfigCheckReadsFiles(t *testing.T) {
	half := linetest.File(t, "half.crt", "-----BEGIN CERTIFICATE-----\nAAAA", 0o600)
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"--tls-cert: /nowhere/a with /nowhere/b: ":          {"--listen=wss://:1", "--tls-cert=/nowhere/a", "--tls-key=/nowhere/b"},
		"--tls-cert: " + half + " with " + half + ": ":      {"--listen=wss://:1", "--tls-cert=" + half, "--tls-key=" + half},
		"--max-conns: 4294967296 clients and a reserve of ": {"--max-conns=4294967296", "--loops=256"}, // no host has so many files
		"--byte-burst: 5 bytes are less than ":              {"--byte-rate=10", "--byte-burst=5"},
		"--listen: \":99999\" has a port that ":             {"--listen=:99999"},
		"--listen: \"ws://localhost:7272/path\" is not ":    {"--listen=ws://localhost:7272/path"},
		"--listen: \":7272\" and \"ws://:7272\" are ":       {"--listen=:7272", "--listen=ws://:7272"},
		"--control-tls-cert: /nowhere/a with /nowhere/b: ":  {"--control-tls-cert=/nowhere/a", "--control-tls-key=/nowhere/b"},
		"--admin-tls-cert: /nowhere/a with /nowhere/b: ":    {"--admin=127.0.0.1:7274", "--admin-tls-cert=/nowhere/a", "--admin-tls-key=/nowhere/b"},
		"--audit-log: cannot create a file in /nowhere: ":   {"--audit-log=/nowhere/audit.log"},
		"--events-dir: /proc is of the kernel, and ":        {"--events-dir=/proc/q"},
		"--audit-log: open " + dir:                          {"--audit-log=" + dir},
		"--audit-log: open " + half + "/audit.log: ":        {"--audit-log=" + half + "/audit.log"},
	} {
		code, out, errs := runIn(append([]string{"config", "check"}, args...), nil, "")
		if code != process.ExitUsage || out != "" || !strings.HasPrefix(errs, "castgate: "+want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, out, errs)
		}
	}
	file := linetest.File(t, "castgate.toml", "\ncontrol-tls-cert = '/nowhere/a'\ncontrol-tls-key = '/nowhere/b'\n", 0o600)
	if _, _, errs := runIn([]string{"config", "check", "--config", file}, nil, ""); !strings.HasSuffix(errs, " ("+file+":2)\n") {
		t.Errorf("%q does not name the line", errs)
	}
	audit := filepath.Join(dir, "audit.log")
	if code, _, errs := runIn([]string{"config", "check", "--audit-log", audit}, nil, ""); code != 0 {
		t.Errorf("exit %d, %s", code, errs)
	}
	if _, err := os.Stat(audit); err == nil {
		t.Error("the check made the audit file")
	}
}
