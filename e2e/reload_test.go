package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// newKey makes a key with the program itself and adds it to the key file.
func newKey(t *testing.T, file, name, scopes string) string {
	t.Helper()
	out, err := wstest.Command(t, "key", "new", "--name", name, "--scope", scopes, "--file", file).Output()
	if err != nil {
		t.Fatalf("castgate key new: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestScopedKeys: keys made by the program allow what their scopes say.
func TestScopedKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	push, read, manage := newKey(t, file, "push", "push"), newKey(t, file, "read", "read"), newKey(t, file, "manage", "manage")
	g := wstest.StartWith(t, wstest.Options{Key: read, Flags: []string{"--control-keys-file", file}})
	c := g.Dial(t)
	g.OK("GET", "/v1/stats", nil)
	g.Problem(403, "forbidden", "POST", "/v1/push", M{"to": wstest.All(), "text": "by a reader"})
	g.Problem(403, "forbidden", "POST", "/v1/reload", nil)
	g.Key = push
	g.Push(wstest.All(), "by the pusher")
	c.Expect("by the pusher")
	g.Problem(403, "forbidden", "GET", "/v1/clients", nil)
	g.Problem(403, "forbidden", "POST", "/v1/kick", wstest.All())
	answer := g.OK("POST", "/v1/batch", `{"commands":[{"op":"push","to":{"all":true},"text":"in a batch"},{"op":"kick","all":true}]}`)
	replies := answer["replies"].([]any)
	if number(replies[0].(M)["status"]) != 200 || number(replies[1].(M)["status"]) != 403 {
		t.Errorf("%v", replies)
	}
	c.Expect("in a batch")
	g.Key = manage
	g.OK("PUT", "/v1/clients/"+c.ID+"/session", `{"card":"private-4711"}`)
	g.Problem(403, "forbidden", "POST", "/v1/push", M{"to": wstest.All(), "text": "by a manager"})
	if n := number(g.OK("POST", "/v1/kick", wstest.All())["kicked"]); n != 1 {
		t.Errorf("kicked %d", n)
	}
	for _, want := range []string{
		"msg=audit action=put_session key=manage from=127.0.0.1:", "client_id=" + c.ID + " bytes=23",
		"msg=audit action=kick key=manage", "all=true code=1000 kicked=1",
		`msg=audit action=refused key=push`, `request="POST /v1/kick" code=forbidden`,
	} {
		g.Await(func() string {
			if strings.Contains(g.Log(), want) {
				return ""
			}
			return "the audit log has no " + want
		})
	}
	log := g.Log()
	for _, secret := range []string{push, read, manage, "private-4711"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log contains %s", secret)
		}
	}
}

// TestReload: SIGHUP and POST /v1/reload apply origins, keys, networks, the audit
// log and the log level, while the connections of clients and backends stay open.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, keys, audit := filepath.Join(dir, "castgate.toml"), filepath.Join(dir, "keys"), filepath.Join(dir, "audit.log")
	first := newKey(t, keys, "first", "read,push,manage")
	config := "control-keys-file = '" + keys + "'\nallowed-origins = ['https://a.example']\n"
	write(t, file, config)
	g := wstest.StartWith(t, wstest.Options{Key: first, Flags: []string{"--config", file}})
	from := func(origin string) (*wstest.Client, error) {
		c, _, err := g.TryDial(t, wstest.DialOptions{Header: http.Header{"Origin": {origin}}})
		return c, err
	}
	stays, err := from("https://a.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from("https://b.example"); err == nil {
		t.Fatal("the wrong origin was accepted")
	}

	write(t, file, strings.ReplaceAll(config, "a.example", "b.example")+"audit-log = '"+audit+"'\nnode = 7\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[allowed-origins audit-log]", "needs_restart": "[node]"})
	if _, err := from("https://b.example"); err != nil {
		t.Errorf("the new origin: %v", err)
	}
	if _, err := from("https://a.example"); err == nil {
		t.Error("the old origin is still accepted")
	}
	g.Push(wstest.To("client_ids", stays.ID), "across the reload")
	stays.Expect("across the reload")
	g.Await(func() string {
		if text, err := os.ReadFile(audit); err != nil || !strings.Contains(string(text), "action=reload key=first from=127.0.0.1:") {
			return fmt.Sprintf("the audit file has %q, %v", text, err)
		}
		return ""
	})

	// A half-written file changes nothing, keys included.
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keys, string(text[:len(text)/2]))
	status, answer := g.Control("POST", "/v1/reload", nil)
	if status != 409 || answer["code"] != "reload_refused" || !strings.Contains(answer["detail"].(string), "line 1: ") {
		t.Errorf("a half-written key file: %d %v", status, answer)
	}
	g.OK("GET", "/v1/stats", nil)

	write(t, keys, "")
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	second := newKey(t, keys, "second", "read,push")
	g.Signal(syscall.SIGHUP)
	g.Await(func() string {
		status, _ := g.Control("GET", "/v1/stats", nil)
		if status == 401 {
			return ""
		}
		return "not true: the old key is refused"
	})
	g.Key = second
	g.OK("GET", "/v1/stats", nil)
	stays.ExpectNothing()
}

// TestReloadLimits: limits and timeouts apply after a reload to new clients, and
// nobody who is connected notices.
func TestReloadLimits(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "castgate.toml")
	write(t, file, "")
	g := wstest.Start(t, "--config", file)
	stays, speaks := g.Dial(t), g.Dial(t)
	big := strings.Repeat("x", 3000)
	write(t, file, "unbound-timeout = '300ms'\npush-queue = '1MiB'\ncontrol-max-body = '2KiB'\nmax-message = '2KiB'\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[unbound-timeout max-message push-queue control-max-body]", "needs_restart": "[]"})
	g.Problem(413, "body_too_large", "POST", "/v1/push", M{"to": wstest.All(), "text": big})
	speaks.Send(big)
	speaks.ExpectClose(1009, "message too big")
	late := g.Dial(t)
	late.ExpectClose(1008, "not bound in time")
	// An empty file is refused, since a file that is being written looks like that.
	write(t, file, "# unbound-timeout = '300ms'\n")
	if status, answer := g.Control("POST", "/v1/reload", nil); status != 409 || !strings.Contains(answer["detail"].(string), "is empty now") {
		t.Errorf("a file without a setting: %d %v", status, answer)
	}
	g.Problem(413, "body_too_large", "POST", "/v1/push", M{"to": wstest.All(), "text": big})
	write(t, file, "log-level = 'info'\n")
	g.OK("POST", "/v1/reload", nil)
	g.Push(wstest.All(), big)
	stays.Expect(big)
}

// TestReloadKeepsKeys: a truncated file does not open the control API, not even on
// loopback, and the log says why.
func TestReloadKeepsKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "castgate.toml")
	const whole = "message-rate = 5\ncontrol-key = ['a-key-of-the-backend']\n"
	write(t, file, whole)
	g := wstest.StartWith(t, wstest.Options{Key: "a-key-of-the-backend", Flags: []string{"--config", file}})
	for cut, want := range map[int]string{0: "is empty now", len("message-rate = 5\n"): "--control-key: this would remove the last key"} {
		write(t, file, whole[:cut])
		if status, answer := g.Control("POST", "/v1/reload", nil); status != 409 || !strings.Contains(answer["detail"].(string), want) {
			t.Errorf("truncated at %d: %d %v, want %q", cut, status, answer, want)
		}
		g.Signal(syscall.SIGHUP)
		g.Await(func() string {
			for line := range strings.Lines(g.Log()) {
				if strings.Contains(line, "key=SIGHUP") && strings.Contains(line, want) {
					return ""
				}
			}
			return "not true: the audit log has the signal's reload with " + want
		})
	}
	g.Key = ""
	if status, answer := g.Control("GET", "/v1/stats", nil); status != 401 {
		t.Errorf("without a key: %d %v", status, answer)
	}
	g.Key = "a-key-of-the-backend"
	write(t, file, whole+"max-conns = 7\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[max-conns]"})
}

// TestReloadVerb: castgate reload prints what has changed.
func TestReloadVerb(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "castgate.toml")
	write(t, file, "log-level = 'info'\n")
	g := wstest.Start(t, "--config", file)
	write(t, file, "log-level = 'debug'\nnode = 7\n")
	out, err := wstest.Command(t, "reload", "--control", g.ControlAddr).Output()
	if err != nil || !strings.Contains(string(out), "log-level") || !strings.Contains(string(out), "node") {
		t.Errorf("%s, %v", out, err)
	}
	write(t, file, "log-level = 'loud'\n")
	_, err = wstest.Command(t, "reload", "--control", g.ControlAddr).Output()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 1 || !strings.Contains(string(exit.Stderr), "--log-level") {
		t.Errorf("%v", err)
	}
}

// TestControlAllow: a connection from a network that is not listed gets no answer.
func TestControlAllow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "castgate.toml")
	write(t, file, "control-allow = ['127.0.0.1', 'fd00::/8']\n")
	g := wstest.Start(t, "--config", file)
	g.OK("GET", "/v1/stats", nil)
	write(t, file, "control-allow = ['192.0.2.0/24']\n")
	g.OK("POST", "/v1/reload", nil)
	if status, answer, err := g.TryControl("GET", "/v1/stats", nil); err == nil && status != 403 {
		t.Errorf("on the old connection: %d %v", status, answer)
	}
	if status, answer, err := g.TryControl("GET", "/v1/stats", nil); err == nil {
		t.Errorf("on a new connection: %d %v", status, answer)
	}
	write(t, file, "control-allow = []\n")
	g.Signal(syscall.SIGHUP)
	g.Await(func() string {
		status, _, err := g.TryControl("GET", "/v1/stats", nil)
		if err == nil && status == 200 {
			return ""
		}
		return "not true: the control API answers again"
	})
}

// TestReloadUnderTraffic: during a hundred reloads, with clients connecting and
// pushes going on, nobody loses a connection, a message or the order.
func TestReloadUnderTraffic(t *testing.T) {
	t.Parallel()
	const reloads, pushes = 100, 500
	file := filepath.Join(t.TempDir(), "castgate.toml")
	write(t, file, "send-queue = '1MiB'\n")
	g := wstest.Start(t, "--config", file, "--audit-log", "off")
	clients := crowd(t, g, 10)
	var work sync.WaitGroup
	work.Go(func() {
		for i := range reloads {
			text := fmt.Sprintf("send-queue = '%dMiB'\nmax-conns = %d\nallowed-origins = ['%d.example']\n", 1+i%2, 1000+i, i)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Error(err)
			}
			if status, answer, err := g.TryControl("POST", "/v1/reload", nil); err != nil || status != 200 {
				t.Errorf("reload %d: %d %v %v", i, status, answer, err)
			}
		}
	})
	work.Go(func() {
		for i := range pushes {
			status, answer, err := g.TryControl("POST", "/v1/push", M{"to": wstest.All(), "text": label("push", i)})
			if err != nil || status != 200 || number(answer["matched"]) < len(clients) {
				t.Errorf("push %d: %d %v %v", i, status, answer, err)
			}
		}
	})
	work.Go(func() {
		for range 50 {
			if _, _, err := g.TryDial(t, wstest.DialOptions{}); err != nil {
				t.Errorf("a client that connected meanwhile: %v", err)
			}
		}
	})
	work.Wait()
	for _, c := range clients {
		for i := range pushes {
			c.Expect(label("push", i))
		}
	}
	if n := number(g.OK("GET", "/v1/stats", nil)["max_conns"]); n != 1000+reloads-1 {
		t.Errorf("max_conns is %d after the last reload", n)
	}
	if n := g.Metrics()[`castgate_reloads_total{result="ok"}`]; n != reloads {
		t.Errorf("%v reloads were counted", n)
	}
}
