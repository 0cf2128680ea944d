package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// firefox is a headless Firefox, driven by WebDriver BiDi: a W3C protocol of JSON
// over a WebSocket, which Firefox speaks without a driver.
type firefox struct {
	t    *testing.T
	conn *websocket.Conn

	mu   sync.Mutex
	next int
}

// openFirefox starts a browser with a fresh profile.
func openFirefox(t *testing.T) *firefox {
	t.Helper()
	profile := t.TempDir()
	cmd := exec.Command(program(t, "firefox-esr", "firefox"), "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile)
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_DISABLE_CONTENT_SANDBOX=1", "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if found := regexp.MustCompile(`WebDriver BiDi listening on (\S+)`).FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its content processes too, which write into the profile
		<-read
		cmd.Wait()
	})
	f := &firefox{t: t}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	select {
	case url := <-address:
		if f.conn, _, err = websocket.Dial(ctx, url+"/session", nil); err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("Firefox does not say where it listens")
	}
	f.conn.SetReadLimit(1 << 24)
	t.Cleanup(func() { f.conn.CloseNow() })
	f.do("session.new", M{"capabilities": M{}})
	return f
}

// do carries out a command and returns its result. One command at a time.
func (f *firefox) do(method string, params M) M {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	text, err := json.Marshal(M{"id": f.next, "method": method, "params": params})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := f.conn.Write(ctx, websocket.MessageText, text); err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	for {
		_, text, err := f.conn.Read(ctx)
		if err != nil {
			f.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID             int
			Result         M
			Error, Message string
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			f.t.Fatalf("%s: %s: %v", method, text, err)
		}
		if answer.ID != f.next {
			continue // an event
		}
		if answer.Error != "" {
			f.t.Fatalf("%s: %s: %s", method, answer.Error, answer.Message)
		}
		return answer.Result
	}
}

// open opens a tab and returns a function that evaluates an expression in it, as a
// string, and one that closes it.
func (f *firefox) open(url string) (eval func(expression string) string, closeTab func()) {
	f.t.Helper()
	tab := f.do("browsingContext.create", M{"type": "tab"})["context"]
	f.do("browsingContext.navigate", M{"context": tab, "url": url, "wait": "complete"})
	eval = func(expression string) string {
		f.t.Helper()
		result := f.do("script.evaluate", M{"expression": "String(" + expression + ")", "target": M{"context": tab}, "awaitPromise": true})
		value, ok := result["result"].(M)
		if !ok {
			f.t.Fatalf("%s: %v", expression, result)
		}
		return fmt.Sprint(value["value"])
	}
	return eval, func() {
		f.t.Helper()
		f.do("browsingContext.close", M{"context": tab})
	}
}
