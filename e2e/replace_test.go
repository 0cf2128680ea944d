package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// pause stops the process until the test ends or calls goOn. On a busy machine its
// threads run for a while after the signal.
func pause(t *testing.T, g *wstest.Gateway) (goOn func()) {
	t.Helper()
	g.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { g.Signal(syscall.SIGCONT) })
	g.Await(func() string {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", g.PID()))
		if err != nil || len(threads) == 0 {
			return fmt.Sprint("no threads: ", err)
		}
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err != nil || !strings.Contains(string(stat), ") T ") {
				return "the process is not stopped yet"
			}
		}
		return ""
	})
	return func() { g.Signal(syscall.SIGCONT) }
}

// TestStopWithFullQueue: when the gateway is told to stop, connections in the
// kernel's queue are accepted and told so, by a close frame or a 503. Nobody is
// reset.
func TestStopWithFullQueue(t *testing.T) {
	t.Parallel()
	const n = 300
	g := wstest.StartWith(t, wstest.Options{Schemes: []string{"text"}})
	goOn := pause(t, g)
	waiting := make([]*wstest.Raw, n)
	for i := range waiting {
		waiting[i] = g.DialRaw(t)
		if i%3 > 0 { // the others have sent nothing so far
			waiting[i].Put([]byte(wstest.Handshake))
		}
	}
	lines := make([]net.Conn, 20)
	for i := range lines {
		c, err := net.Dial("tcp", g.Listeners["text"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		lines[i] = c
	}
	g.Expected()
	g.Signal(syscall.SIGTERM)
	goOn()
	counts := map[string]int{}
	for i, r := range waiting {
		if i%3 == 0 {
			r.Write([]byte(wstest.Handshake))
		}
		switch status := r.Status(); status {
		case http.StatusSwitchingProtocols:
			counts[fmt.Sprint("closed with ", r.ExpectClosed())]++
		default:
			counts[fmt.Sprint("answered ", status)]++
		}
	}
	for _, c := range lines {
		c.SetReadDeadline(time.Now().Add(wstest.Patience))
		for b := make([]byte, 512); ; {
			if _, err := c.Read(b); err != nil {
				counts["line: "+err.Error()]++
				break
			}
		}
		c.Close()
	}
	if code := g.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if counts["closed with 1001"]+counts["answered 503"] != n || counts["line: EOF"] != len(lines) {
		t.Errorf("%v, want %d closed with 1001 or answered 503, and %d lines with an end", counts, n, len(lines))
	}
}

// TestControlStopWithFullQueue is the same for the control port.
func TestControlStopWithFullQueue(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			const n = 100
			var flags []string
			if network == "unix" {
				flags = []string{"--control", "unix:" + filepath.Join(t.TempDir(), "s")}
			}
			g := wstest.Start(t, flags...)
			goOn := pause(t, g)
			waiting := make([]net.Conn, n)
			for i := range waiting {
				c, err := g.DialControl()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
				waiting[i] = c
			}
			g.Expected()
			g.Signal(syscall.SIGTERM)
			goOn()
			counts := map[string]int{}
			for _, c := range waiting {
				c.SetReadDeadline(time.Now().Add(wstest.Patience))
				answer := make([]byte, 512)
				n, err := c.Read(answer)
				switch head := string(answer[:n]); {
				case err != nil:
					counts[err.Error()]++
				case strings.HasPrefix(head, "HTTP/1.1 200 "):
					counts["answered"]++
				default:
					counts[head]++
				}
			}
			if counts["answered"] != n {
				t.Errorf("%v, want %d answered 200", counts, n)
			}
			g.Exited(t, wstest.Patience)
		})
	}
}
