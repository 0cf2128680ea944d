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
	"time"

	"castgate/internal/wstest"
)

// newcomer opens the page of a gateway that runs, logs in with the key, and sees a first
// message arrive in the browser.
func newcomer(t *testing.T, url, key string) {
	t.Helper()
	p := watched(t, url)
	p.sees("h1", "Log in")
	p.types("#key", key)
	p.sees("h1", "Overview")
	p.sees("main .empty", "No client is connected")
	p.run(`document.querySelector("main .empty a").click()`)
	p.sees("#try-state", "connected")
	p.sees("#try-id")
	p.types("#push-text", "the first message")
	p.sees("#try-messages", "the first message")
	if got := p.eval("JSON.stringify(window.wrong)"); got != "[]" {
		t.Errorf("in the page: %s", got)
	}
}

// A newcomer clones the repository and says make run: the page opens, and a message
// arrives. How long it takes is printed, and not judged: the machine may be busy. The
// compiler is left out, since these tests themselves are compiled from a clone where it
// counts; NEWCOMER_BUILD=1 has it in.
func TestNewcomerClones(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	const key = "the-key-of-a-newcomer"
	listen, control, admin := wstest.FreeAddr(t), wstest.FreeAddr(t), wstest.FreeAddr(t)
	args := []string{"--no-print-directory", "run", fmt.Sprintf("ARGS=--listen %s --control %s --control-key %s", listen, control, key)}
	if os.Getenv("NEWCOMER_BUILD") == "" {
		args = append(args, "GO="+builtAlready(t))
	}
	began := time.Now()
	cmd := exec.Command(program(t, "make"), args...)
	cmd.Dir = cleanClone(t)
	cmd.Env = append(withoutMake(os.Environ()), "CASTGATE_ADMIN="+admin)
	p := wstest.Spawn(t, cmd)
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM) // make hands it on
		p.Exited(t, wstest.Patience)
	})
	url := "http://" + admin + "/"
	for limit := began.Add(5 * wstest.Patience); !strings.Contains(p.Log(), "admin="+url); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.Done():
			t.Fatalf("make run has ended:\n%s", p.Log())
		default:
		}
		if time.Now().After(limit) {
			t.Fatalf("make run does not print %s:\n%s", url, p.Log())
		}
	}
	open := time.Now()
	needPage(t, url)
	newcomer(t, url, key)
	t.Logf("cloned and started in %.1f s, the first message %.1f s later", open.Sub(began).Seconds(), time.Since(open).Seconds())
}

// builtAlready is a program that takes the place of go build: the gateway of these tests
// is there.
func builtAlready(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "go")
	script := "#!/bin/sh\nmkdir -p bin && cp '" + wstest.Build(t) + "' bin/castgate\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// cleanClone is the repository as git has it, and what npm has fetched for it: that need
// not be fetched again.
func cleanClone(t *testing.T) string {
	t.Helper()
	git := program(t, "git")
	root := wstest.Root(t)
	if err := wstest.SeeSources(root, "./cmd/castgate"); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(git, "-C", root, "rev-parse", "--git-dir").Run(); err != nil {
		t.Skipf("%s is no clone: %v", root, err)
	}
	clone := filepath.Join(t.TempDir(), "castgate")
	if out, err := exec.Command(git, "clone", "--quiet", root, clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	const modules = "server/admin/page/node_modules"
	if err := os.CopyFS(filepath.Join(clone, modules), os.DirFS(filepath.Join(root, modules))); err != nil {
		t.Logf("npm has to fetch: %v", err)
		_ = os.RemoveAll(filepath.Join(clone, modules))
	}
	return clone
}

// withoutMake is an environment without what make test tells the makes below it.
func withoutMake(env []string) (kept []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if name != "MAKEFLAGS" && name != "MFLAGS" && name != "MAKELEVEL" && name != "GOFLAGS" && !strings.HasPrefix(name, "CASTGATE_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// TestNewcomerAt is the second half of a newcomer's minute, for a gateway that somebody
// else has installed and started: ci/packages-check.sh, from the .deb in a bare Debian.
func TestNewcomerAt(t *testing.T) {
	url := os.Getenv("NEWCOMER_URL")
	if url == "" {
		t.Skip("NEWCOMER_URL names no gateway")
	}
	wstest.Await(t, func() string {
		answer, err := http.Get(url)
		if err != nil {
			return err.Error()
		}
		_ = answer.Body.Close()
		return ""
	})
	newcomer(t, url, os.Getenv("NEWCOMER_KEY"))
}
