package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"castgate/internal/wstest"
)

// TestDemo: the script starts gateway and backend, prints the page's address, and
// leaves no process behind when it is stopped.
func TestDemo(t *testing.T) {
	t.Parallel()
	port, wsPort, control := wstest.FreePort(t), wstest.FreePort(t), wstest.FreeAddr(t)
	cmd := exec.Command(filepath.Join(wstest.Root(t), "examples/demo.sh"))
	cmd.Env = append(os.Environ(), "DEMO_BACKEND=go", fmt.Sprintf("DEMO_PORT=%d", port),
		fmt.Sprintf("DEMO_WS_PORT=%d", wsPort), "DEMO_CONTROL="+control)
	// Build what the script builds first, so that it does not wait for a compiler
	// on a busy machine.
	wstest.Compile(t, "./cmd/castgate", "./examples/go")
	p := wstest.Spawn(t, cmd)
	address := fmt.Sprintf("http://127.0.0.1:%d/", port)
	var body string
	wstest.Await(t, func() string {
		resp, err := http.Get(address)
		if err != nil {
			return fmt.Sprintf("%v; the demo printed:\n%s", err, p.Log())
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		body = string(data)
		return ""
	})
	if !strings.Contains(body, fmt.Sprintf("ws://127.0.0.1:%d/", wsPort)) {
		t.Errorf("the page does not name the gateway:\n%s", body)
	}
	wstest.Await(t, func() string {
		if !strings.Contains(p.Log(), address) {
			return "the demo does not print " + address
		}
		return ""
	})
	p.Signal(syscall.SIGTERM)
	p.Exited(t, wstest.Patience)
	for _, addr := range []string{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", wsPort), control} {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Errorf("%s still listens after the end of the demo", addr)
		}
	}
}
