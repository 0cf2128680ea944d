package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// refuses runs castgate serve with flags that must prevent the start, and requires
// one line on the terminal that contains every one of the words.
func refuses(t *testing.T, flags []string, words ...string) {
	t.Helper()
	p := wstest.Spawn(t, wstest.Command(t, append([]string{"serve"}, flags...)...))
	if code := p.Exited(t, wstest.Patience); code <= 0 {
		t.Errorf("%v: exit code %d, want one above 0", flags, code)
	}
	line := strings.TrimSpace(p.Log())
	if strings.Contains(line, "\n") || line == "" {
		t.Errorf("%v: want one line, got:\n%s", flags, line)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("%v: %q does not say %q", flags, line, word)
		}
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	refuses(t, []string{"--listen", g.Addr, "--control", wstest.FreeAddr(t)}, g.Addr, "in use")
	refuses(t, []string{"--listen", wstest.FreeAddr(t), "--control", g.ControlAddr}, g.ControlAddr, "in use")
	g.Dial(t).ExpectNothing() // the running gateway is unaffected
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	listen := []string{"--listen", wstest.FreeAddr(t)}
	refuses(t, append(listen, "--control", fmt.Sprintf("0.0.0.0:%d", wstest.FreePort(t))), "control", "key")
	refuses(t, append(listen, "--no-such-flag"), "no-such-flag")
	refuses(t, append(listen, "--ping-timeout", "soon"), "ping-timeout")
	refuses(t, append(listen, "--slow-policy", "wait"), "slow-policy")
	refuses(t, append(listen, "--max-message", "0"), "max-message")
}

// TestSocketLeftBehind: a unix socket file left behind by kill -9 does not prevent
// the next start; the socket of a running process does.
func TestSocketLeftBehind(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "cg") // t.TempDir may be too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "control.sock")
	g := wstest.Start(t, "--control", "unix:"+path)
	refuses(t, []string{"--listen", wstest.FreeAddr(t), "--control", "unix:" + path}, path)
	g.OK("GET", "/v1/stats", nil)
	g.Kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("kill -9 left no socket file: %v", err)
	}
	g.Restart()
	c := g.Dial(t)
	g.Push(wstest.All(), "after the restart")
	c.Expect("after the restart")
	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a clean stop left the socket file: %v", err)
	}
}

// TestKillAndRestart: the ports are free again at once, and no client id is reused.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	old := crowd(t, g, 50)
	g.Push(wstest.All(), "before")
	g.Kill()
	g.Restart()
	seen := make(map[string]bool)
	for _, c := range old {
		seen[c.ID] = true
	}
	fresh := crowd(t, g, 50)
	for _, c := range fresh {
		if seen[c.ID] {
			t.Errorf("client_id %s was assigned again after the restart", c.ID)
		}
	}
	if n := g.Push(wstest.To("client_ids", ids(old)...), "to the old"); n != 0 {
		t.Errorf("old ids match %d clients after the restart", n)
	}
	if n := g.Push(wstest.All(), "after"); n != 50 {
		t.Errorf("matched %d, want 50", n)
	}
	for _, c := range fresh {
		c.Expect("after")
	}
}
