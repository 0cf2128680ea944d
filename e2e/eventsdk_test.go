package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"castgate/internal/wstest"
)

// recorder keeps requests as they came, one JSON object a line.
type recorder struct {
	mu    sync.Mutex
	lines bytes.Buffer
	n     int // events in them
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the gateway has gone
	}
	headers := map[string]string{}
	for name := range request.Header {
		headers[strings.ToLower(name)] = request.Header.Get(name)
	}
	line, err := json.Marshal(M{"headers": headers, "body": string(body)})
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines.Write(append(line, '\n'))
	r.n += strings.Count(string(body), `"specversion"`)
	w.WriteHeader(http.StatusNoContent)
}

// lack says that fewer than n events have come.
func (r *recorder) lack(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n < n {
		return fmt.Sprintf("%d events have come", r.n)
	}
	return ""
}

// requests are those that have come.
func (r *recorder) requests(t *testing.T) (all []M) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range bytes.Lines(r.lines.Bytes()) {
		var one M
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// record returns what a gateway sends about clients with names that are hard on
// JSON, and which events that are.
func record(t *testing.T, flags ...string) (lines []byte, want string) {
	t.Helper()
	r := &recorder{}
	server := httptest.NewServer(r)
	defer server.Close()
	g := wstest.Start(t, append([]string{"--events-url", server.URL, "--on-message", "forward", "--events-linger", "10ms"}, flags...)...)
	c := g.Dial(t)
	g.Bind(c.ID, "\"quoted\\\" \u2028 \x7f é 😀", "gruppe/ü")
	c.Send("\u0000 </script> \"\\ \t é 😀")
	c.Close()
	types := []string{"connected", "bound", "message", "disconnected"}
	g.Await(func() string { return r.lack(len(types)) })
	for i, kind := range types {
		want += fmt.Sprintf("castgate.client.%s %s %d\n", kind, c.ID, i+1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.lines.Bytes()), want
}

// TestEventsBySDKs: the published libraries of Standard Webhooks and CloudEvents take
// what castgate sends, in batches and one by one.
func TestEventsBySDKs(t *testing.T) {
	t.Parallel()
	const second = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	for _, batch := range []string{"100", "1"} {
		lines, want := record(t, "--events-batch", batch, "--events-secret", eventsSecret+","+second)
		t.Run("node, batch "+batch, func(t *testing.T) {
			tools := nodeTools(t)
			script := filepath.Join(filepath.Dir(filepath.Dir(tools)), "testdata", "events.mjs")
			cmd := exec.Command(program(t, "node", "nodejs"), script, eventsSecret, second)
			cmd.Stdin = bytes.NewReader(lines)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
				t.Errorf("%v\n%s, want\n%s", err, out, want)
			}
		})
		t.Run("go, batch "+batch, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"go.mod", "go.sum", "testdata/main.go"} {
				text, err := os.ReadFile(filepath.Join(wstest.Root(t), "e2e/cloudevents", name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("go", "run", ".")
			cmd.Dir, cmd.Stdin = dir, bytes.NewReader(lines)
			cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
			if out, err := cmd.Output(); err != nil || string(out) != want {
				t.Errorf("%v\n%s, want\n%s", err, out, want)
			}
		})
	}
}
