package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// gateway is a push server that is not ours, with the part of the control API
// that loadtest uses. tamper, if set, returns what to write instead of the n-th
// message.
type gateway struct {
	ws, control string
	tamper      func(n int, message []byte) [][]byte

	mu       sync.Mutex
	conns    map[string]*websocket.Conn // by client id
	names    map[string][]string        // by client id: "uid=" and "group=" with what it is bound to
	accepted int
	messages int
}

func newGateway(t *testing.T, tamper func(n int, message []byte) [][]byte) *gateway {
	g := &gateway{tamper: tamper, conns: map[string]*websocket.Conn{}, names: map[string][]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", g.hold)
	mux.HandleFunc("POST /v1/push/raw", g.push)
	mux.HandleFunc("POST /v1/batch", g.batch)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	g.control, g.ws = server.URL, "ws"+strings.TrimPrefix(server.URL, "http")
	return g
}

// hold serves a client.
func (g *gateway) hold(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	g.mu.Lock()
	id := fmt.Sprintf("client-%d", g.accepted)
	g.accepted++
	g.conns[id] = conn
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.conns, id)
		delete(g.names, id)
		g.mu.Unlock()
	}()
	_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"init","client_id":"`+id+`"}`))
	for err == nil {
		_, _, err = conn.Read(context.Background())
	}
}

// push serves /v1/push/raw.
func (g *gateway) push(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var wanted []string
	for _, kind := range []string{"client_id", "uid", "group"} {
		for _, name := range q[kind] {
			wanted = append(wanted, kind+"="+name)
		}
	}
	text, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	matched := 0
	for id, conn := range g.conns {
		mine := append([]string{"client_id=" + id}, g.names[id]...)
		if q.Get("all") != "1" && !slices.ContainsFunc(wanted, func(name string) bool { return slices.Contains(mine, name) }) {
			continue
		}
		matched++
		g.messages++
		all := [][]byte{text}
		if g.tamper != nil {
			all = g.tamper(g.messages, text)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		for _, b := range all {
			_ = conn.Write(ctx, websocket.MessageText, b)
		}
		cancel()
	}
	fmt.Fprintf(w, `{"matched":%d,"queued":%d,"dropped":0}`, matched, matched)
}

// batch serves /v1/batch: bindings.
func (g *gateway) batch(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Commands []struct {
			ClientID string   `json:"client_id"`
			UID      string   `json:"uid"`
			Groups   []string `json:"groups"`
		} `json:"commands"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var replies []string
	for _, c := range body.Commands {
		g.names[c.ClientID] = []string{"uid=" + c.UID}
		for _, group := range c.Groups {
			g.names[c.ClientID] = append(g.names[c.ClientID], "group="+group)
		}
		replies = append(replies, `{"status":200}`)
	}
	fmt.Fprintf(w, `{"replies":[%s]}`, strings.Join(replies, ","))
}

// scenarioArgs play each scenario quickly.
var scenarioArgs = map[string][]string{
	"connect":   nil,
	"idle":      {"--duration", "10ms", "--bind"},
	"broadcast": {"--duration", "50ms", "--rate", "100"},
	"group":     {"--duration", "50ms", "--rate", "100", "--groups", "2", "--members", "5"},
	"unicast":   {"--duration", "50ms", "--rate", "400", "--bind"},
	"mixed":     {"--duration", "50ms", "--rate", "400", "--broadcast-rate", "100", "--slow", "2"},
	"churn":     {"--duration", "200ms", "--rate", "100", "--replace", "50"},
	"storm":     {"--groups", "3"},
}

// args is the command line of a scenario against g.
func (g *gateway) args(scenario string, more ...string) []string {
	all := []string{scenario, "-n", "10", "--settle", "0", "--url", g.ws, "--control", g.control}
	return slices.Concat(all, scenarioArgs[scenario], more)
}

// Every scenario finds nothing wrong with a correct server.
func TestScenarios(t *testing.T) {
	for scenario := range scenarioArgs {
		t.Run(scenario, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), newGateway(t, nil).args(scenario, "--json"), &stdout, &stderr)
			var r struct {
				Scenario string
				Report   struct{ Open, Received, Lost int }
			}
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || code != exitOK || r.Scenario != scenario || r.Report.Open < 8 || r.Report.Lost != 0 {
				t.Errorf("exit code %d, %v\nstdout: %s\nstderr: %s", code, err, stdout.String(), stderr.String())
			}
			if pushes := scenario != "connect" && scenario != "idle"; pushes && r.Report.Received == 0 {
				t.Errorf("nothing received: %s", stdout.String())
			}
		})
	}
}

// A server that loses, duplicates or changes a message makes every scenario
// fail with a line that says so.
func TestBrokenServers(t *testing.T) {
	const hit = 3
	faults := map[string]func(n int, b []byte) [][]byte{
		"did not arrive": func(n int, b []byte) [][]byte {
			if n == hit {
				return nil
			}
			return [][]byte{b}
		},
		"arrived more than once": func(n int, b []byte) [][]byte {
			if n == hit {
				return [][]byte{b, b}
			}
			return [][]byte{b}
		},
		"arrived changed": func(n int, b []byte) [][]byte {
			if n == hit {
				b = append(bytes.Clone(b[:len(b)-1]), '!')
			}
			return [][]byte{b}
		},
	}
	for scenario := range scenarioArgs {
		if scenario == "connect" || scenario == "idle" {
			continue
		}
		for want, tamper := range faults {
			if scenario == "churn" { // who gets the one message may leave at that moment, which excuses it
				once := tamper
				tamper = func(n int, b []byte) [][]byte { return once(min(n, hit), b) }
			}
			t.Run(scenario+", "+want, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				args := newGateway(t, tamper).args(scenario, "--patience", "200ms")
				if scenario == "mixed" {
					args = append(args, "--slow", "0")
				}
				code := run(t.Context(), args, &stdout, &stderr)
				last := lastLine(stderr.String())
				if code != exitFaulty || !strings.HasPrefix(last, "loadtest: ") || !strings.Contains(last, want) {
					t.Errorf("exit code %d, stderr: %s", code, stderr.String())
				}
				if !strings.Contains(stdout.String(), "scenario ") || !strings.Contains(stdout.String(), "messages ") {
					t.Errorf("what was measured is not there: %s", stdout.String())
				}
			})
		}
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
