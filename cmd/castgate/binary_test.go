package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/process"
	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// ends runs the real program to its end.
func ends(t *testing.T, environ []string, args ...string) (code int, log string) {
	t.Helper()
	cmd := wstest.Command(t, args...)
	cmd.Env = append(os.Environ(), environ...)
	p := wstest.Spawn(t, cmd)
	return p.Exited(t, wstest.Patience), p.Log()
}

// A refused start prints one line and exits with a code.
func TestRefusedStarts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := linetest.File(t, "castgate.toml", "loops = 1\nlistn = ':1'\n", 0o600)
	for _, tt := range []struct {
		args, environ []string
		code          int
		want          string
	}{
		{[]string{"--no-such-flag"}, nil, process.ExitUsage, "--no-such-flag"},
		{[]string{"--ping-timeout=soon"}, nil, process.ExitUsage, "--ping-timeout"},
		{nil, []string{"CASTGATE_LOPS=1"}, process.ExitUsage, "CASTGATE_LOPS"},
		{nil, []string{"CASTGATE_LOOPS=0"}, process.ExitUsage, "CASTGATE_LOOPS"},
		{[]string{"--config", file}, nil, process.ExitUsage, file + ":2"},
		{[]string{"--control=0.0.0.0:0"}, nil, process.ExitUsage, "--control"},
		{[]string{"--max-conns=16000000"}, nil, process.ExitUsage, "--max-conns"},
		{[]string{"--listen", taken.Addr().String(), "--control=127.0.0.1:0"}, nil, process.ExitFailed, taken.Addr().String()},
		{[]string{"--listen=127.0.0.1:0", "--control", taken.Addr().String()}, nil, process.ExitFailed, taken.Addr().String()},
	} {
		code, log := ends(t, tt.environ, append([]string{"serve"}, tt.args...)...)
		if code != tt.code || strings.Count(log, "\n") != 1 || !strings.Contains(log, tt.want) {
			t.Errorf("%q %q: exit %d, want %d and one line with %q; it printed\n%s", tt.args, tt.environ, code, tt.code, tt.want, log)
		}
	}
}

func TestVersionNamesTheLibraries(t *testing.T) {
	code, log := ends(t, nil, "version")
	if code != 0 || strings.Count(log, "unknown") > 1 { // the commit may be unknown
		t.Errorf("exit %d:\n%s", code, log)
	}
	for _, want := range []string{"castgate ", "commit ", "go1.", "gnet     v2.", "gobwas   v1.", "fasthttp v1."} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in\n%s", want, log)
		}
	}
}

// The shell verbs against a real gateway, and signals that must not end it.
func TestServeAndVerbs(t *testing.T) {
	g := wstest.Start(t, "--control-key", "tell-nobody")
	g.Key = "tell-nobody"
	c := g.Dial(t)
	control := []string{"CASTGATE_CONTROL=" + g.ControlAddr, "CASTGATE_CONTROL_KEY=tell-nobody"}
	for _, tt := range []struct {
		line []string
		want string
	}{
		{[]string{"bind", "--client", c.ID, "--uid=42", "--group=news"}, `{"previous_uid":null,"kicked":0}`},
		{[]string{"push", "--uid=42", "--text=hi", "--wait"}, `"written":1`},
		{[]string{"counts", "--group=news"}, `"news":1`},
		{[]string{"client", c.ID}, `"uid":"42"`},
		{[]string{"session", "put", c.ID, `{"lang":"en"}`}, `{"lang":"en"}`},
		{[]string{"uids"}, `"42"`},
		{[]string{"clients", "--ndjson"}, c.ID},
	} {
		if code, log := ends(t, control, tt.line...); code != 0 || !strings.Contains(log, tt.want) {
			t.Errorf("%q: exit %d, printed %s; want %s in it", tt.line, code, log, tt.want)
		}
	}
	c.Expect("hi")
	if code, log := ends(t, control, "unbind", "--client=nobody"); code != process.ExitFailed || !strings.Contains(log, "unknown_client") {
		t.Errorf("unbind of nobody: exit %d, printed %s", code, log)
	}
	if code, log := ends(t, control[:1], "stats"); code != process.ExitFailed || !strings.Contains(log, "401") {
		t.Errorf("without a key: exit %d, printed %s", code, log)
	}
	g.Signal(syscall.SIGHUP)
	g.Signal(syscall.SIGPIPE)
	g.Await(func() string {
		if !strings.Contains(g.Log(), `"the configuration was reloaded" changed=[] needs_restart=[]`) {
			return "SIGHUP is not in the log"
		}
		return ""
	})
	if code, _ := ends(t, control, "stats"); code != 0 {
		t.Errorf("stats after SIGHUP and SIGPIPE: exit %d", code)
	}
	if strings.Contains(g.Log(), "tell-nobody") {
		t.Errorf("the key is in the log:\n%s", g.Log())
	}
}
