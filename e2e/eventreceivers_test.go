package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// TestEventReceivers runs the receivers of docs/events.md as they stand there, apart
// from their port: they take what castgate sends, by the newer of two secrets, and
// refuse what is signed by others.
func TestEventReceivers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "docs/events.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A receiver\n")
	dir := t.TempDir()
	var urls []string
	var receivers []*wstest.Process
	for _, r := range []struct {
		title, file string
		run         func(file, listen string) *exec.Cmd
	}{
		{"Go", "receiver.go", func(file, _ string) *exec.Cmd {
			binary := filepath.Join(dir, "receiver")
			build := exec.Command("go", "build", "-o", binary, file)
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return exec.Command(binary)
		}},
		{"PHP", "receiver.php", func(file, listen string) *exec.Cmd { return exec.Command(program(t, "php"), "-S", listen, file) }},
		{"Node", "receiver.mjs", func(file, _ string) *exec.Cmd { return exec.Command(program(t, "node", "nodejs"), file) }},
		{"Python", "receiver.py", func(file, _ string) *exec.Cmd { return exec.Command(program(t, "python3"), "-u", file) }},
	} {
		_, part, _ := strings.Cut(section, "\n### "+r.title+"\n")
		_, code, _ := strings.Cut(part, "```")
		_, code, _ = strings.Cut(code, "\n")
		code, _, ok := strings.Cut(code, "\n```")
		if !ok {
			t.Fatalf("docs/events.md has no receiver in %s", r.title)
		}
		listen := wstest.FreeAddr(t)
		file := filepath.Join(dir, r.file)
		write(t, file, strings.ReplaceAll(code, "8090", listen[strings.LastIndex(listen, ":")+1:])+"\n")
		cmd := r.run(file, listen)
		cmd.Env = append(os.Environ(), "EVENTS_SECRET=whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB "+eventsSecret)
		p := wstest.Spawn(t, cmd)
		url := "http://" + listen + "/castgate"
		wstest.Await(t, func() string {
			resp, err := http.Get(url) // a GET is no event
			if err != nil {
				return r.title + ": " + err.Error()
			}
			resp.Body.Close()
			return ""
		})
		for secret, want := range map[string]int{eventsSecret: 204, "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw": 401} {
			if status := tellSigned(t, url, secret, "[]"); status != want {
				t.Errorf("%s: status %d, want %d", r.title, status, want)
			}
		}
		urls, receivers = append(urls, url), append(receivers, p)
	}
	g := wstest.Start(t, "--events-url", strings.Join(urls, ","), "--events-secret", eventsSecret, "--events-timeout", "1s", "--events-retry-max", "200ms")
	c := g.Dial(t)
	g.Bind(c.ID, "ann")
	c.Close()
	for i, p := range receivers {
		g.Await(func() string {
			for n, kind := range []string{"connected", "bound", "disconnected"} {
				if want := fmt.Sprintf("castgate.client.%s %s %d\n", kind, c.ID, n+1); !strings.Contains(p.Log(), want) {
					return fmt.Sprintf("receiver %d has not said %q; it said\n%s", i, want, p.Log())
				}
			}
			return ""
		})
	}
	stoppedReceiver(t, g, receivers, urls[0])
}

// stoppedReceiver has the first receiver stand still: its requests time out, the others
// are told meanwhile. When it goes on, it gets what it was sent in the meantime as well,
// and still all in order.
func stoppedReceiver(t *testing.T, g *wstest.Gateway, receivers []*wstest.Process, url string) {
	receivers[0].Signal(syscall.SIGSTOP)
	t.Cleanup(func() { receivers[0].Signal(syscall.SIGCONT) })
	c := g.Dial(t)
	g.Bind(c.ID, "bob")
	c.Close()
	lines := func(p *wstest.Process) (kinds []string) {
		seen := map[string]bool{}
		for line := range strings.Lines(p.Log()) {
			if _, said, ok := strings.Cut(line, "castgate.client."); ok && strings.Contains(said, c.ID) && !seen[said] {
				seen[said] = true
				kinds = append(kinds, strings.Fields(said)[0])
			}
		}
		return kinds
	}
	const want = "connected bound disconnected"
	for _, p := range receivers[1:] {
		g.Await(func() string {
			if got := strings.Join(lines(p), " "); got != want {
				return fmt.Sprintf("a receiver has said %q beside one that is stopped, want %q", got, want)
			}
			return ""
		})
	}
	unanswered := fmt.Sprintf("castgate_events_attempts_total{outcome=%q,url=%q}", "unanswered", url)
	g.Await(func() string {
		if n := g.Metrics()[unanswered]; n < 2 {
			return fmt.Sprintf("%v requests were not answered, want 2", n)
		}
		return ""
	})
	receivers[0].Signal(syscall.SIGCONT)
	g.Await(func() string {
		if got := strings.Join(lines(receivers[0]), " "); got != want {
			return fmt.Sprintf("the receiver that was stopped has said %q, want %q", got, want)
		}
		return ""
	})
}
