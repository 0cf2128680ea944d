package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

// TestSuccessorWhileOneDoesNotRead: with reuse-port a successor listens on the same
// ports before the predecessor is told to stop. A client that reads nothing keeps
// the predecessor running but prevents nobody from connecting.
func TestSuccessorWhileOneDoesNotRead(t *testing.T) {
	t.Parallel()
	socket := "unix:" + filepath.Join(t.TempDir(), "control")
	flags := []string{"--reuse-port", "--drain-timeout", "10m", "--send-queue", "64MiB", "--listen", wstest.FreeAddr(t), "--control", socket}
	old := wstest.Start(t, flags...)
	stuck(t, old)
	reader := old.Dial(t)
	old.Expected()
	next := startSuccessor(t, flags...) // the control socket belongs to the successor from here on
	old.Signal(syscall.SIGTERM)
	reader.ExpectClose(1001, "shutting down")
	old.Await(func() string {
		if !strings.Contains(old.Log(), "closing clients") {
			return "the predecessor has not closed its listeners"
		}
		return ""
	})
	again := crowd(t, next, 50)
	if n := next.Push(wstest.All(), "to the successor's"); n != len(again) {
		t.Errorf("a push at the control socket matched %d, want the %d of the successor", n, len(again))
	}
	select {
	case <-old.Done():
		t.Error("the predecessor has not waited for its client")
	default:
	}
	old.Signal(syscall.SIGKILL)
	old.Exited(t, wstest.Patience)
	if n := next.Push(wstest.All(), "still there"); n != len(again) {
		t.Errorf("after the end of the predecessor: %d matched, want %d", n, len(again))
	}
}

// startSuccessor starts a gateway at the addresses of another. A probe may be
// answered by the other one, so only its log shows that it serves.
func startSuccessor(t *testing.T, flags ...string) *wstest.Gateway {
	t.Helper()
	next := wstest.Start(t, flags...)
	next.Await(func() string {
		if !strings.Contains(next.Log(), "castgate is serving") {
			return "the successor does not serve"
		}
		return ""
	})
	return next
}

// TestControlSocketOfSuccessor: when a predecessor ends it leaves the successor's
// socket file alone, but removes its own.
func TestControlSocketOfSuccessor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control")
	flags := []string{"--reuse-port", "--control", "unix:" + path}
	old := wstest.Start(t, flags...)
	next := startSuccessor(t, flags...)
	if code := old.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if status, _ := next.Control("GET", "/readyz", nil); status != http.StatusOK {
		t.Errorf("the successor's /readyz: %d", status)
	}
	if code := next.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is still there: %v", err)
	}
}

// TestStopDelay: after SIGTERM the gateway is not ready, and each answer of the
// control port ends its connection. Clients and pushes are served until the delay
// ends.
func TestStopDelay(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--stop-delay", "1h", "--drain-rate", "0")
	before := g.Dial(t)
	c, err := g.DialControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	ask := func() *http.Response {
		fmt.Fprint(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		return answer
	}
	if answer := ask(); answer.Close {
		t.Fatal("an answer before the stop ends its connection")
	}
	g.Expected()
	g.Signal(syscall.SIGTERM)
	g.Await(func() string {
		if status, _ := g.Control("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
			return fmt.Sprint("/readyz answers ", status)
		}
		return ""
	})
	if answer := ask(); !answer.Close || answer.StatusCode != http.StatusOK {
		t.Errorf("/livez during the delay: %d, ends its connection: %v", answer.StatusCode, answer.Close)
	}
	during := g.Dial(t)
	if n := g.Push(wstest.All(), "on we go"); n != 2 {
		t.Errorf("a push during the delay matched %d, want 2", n)
	}
	before.Expect("on we go")
	during.Expect("on we go")
	time.Sleep(1100 * time.Millisecond) // a second signal within a second counts as the first
	g.Signal(syscall.SIGTERM)           // ends the delay
	for _, c := range []*wstest.Client{before, during} {
		c.ExpectClose(1001, "shutting down")
	}
	if code := g.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.Contains(g.Log(), "in_order=2 unanswered=0 cut_off=0 not_reading=0") {
		t.Errorf("the log does not count two clients closed in order:\n%s", g.Log())
	}
}

// activated starts castgate with two sockets, as systemd would.
func activated(t *testing.T, listeners ...*net.TCPListener) *wstest.Process {
	t.Helper()
	serve := wstest.Command(t, "serve", "--listen", "fd:clients", "--control", "fd:control")
	shell := append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", serve.Path}, serve.Args[1:]...)
	cmd := serve
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh"}, shell...)
	cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=clients:control")
	for _, l := range listeners {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return wstest.Spawn(t, cmd)
}

// TestSocketActivation: the sockets outlive the process. A client that connects
// while no process runs waits, and is served by the next one.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	var listeners []*net.TCPListener
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // systemd's sockets are plain TCP as well
	for range 2 {
		l, err := plain.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		listeners = append(listeners, l.(*net.TCPListener))
	}
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	url := "ws://" + listeners[0].Addr().String()
	first := activated(t, listeners...)
	client, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatalf("%v; the log:\n%s", err, first.Log())
	}
	defer client.CloseNow()
	if _, _, err := client.Read(ctx); err != nil {
		t.Fatal(err)
	}
	first.Signal(syscall.SIGTERM)
	if _, _, err := client.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the client ended with %v, want 1001", err)
	}
	client.CloseNow()
	if code := first.Exited(t, wstest.Patience); code != 0 {
		t.Errorf("exit code %d; the log:\n%s", code, first.Log())
	}
	const n = 30
	errs := make(chan error, n)
	for range n { // nobody listens but the kernel
		conn, err := net.Dial("tcp", listeners[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			conn.SetDeadline(time.Now().Add(wstest.Patience))
			fmt.Fprint(conn, wstest.Handshake)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
				err = fmt.Errorf("status %d", answer.StatusCode)
			}
			errs <- err
		}()
	}
	second := activated(t, listeners...)
	for range n {
		if err := <-errs; err != nil {
			t.Errorf("a waiting client: %v; the log:\n%s", err, second.Log())
		}
	}
	answer, err := http.Get("http://" + listeners[1].Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	second.Signal(syscall.SIGTERM)
	second.Exited(t, wstest.Patience)
}
