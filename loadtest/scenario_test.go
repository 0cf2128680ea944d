package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// controlOf serves as much of the control API as Control uses, for a gateway
// of this test. It answers 503 to every request that refuse says.
func controlOf(t *testing.T, g *gateway, refuse func(n int64) bool) *Control {
	t.Helper()
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/push/raw", func(w http.ResponseWriter, r *http.Request) {
		if refuse != nil && refuse(asked.Add(1)) {
			http.Error(w, `{"code":"busy"}`, http.StatusServiceUnavailable)
			return
		}
		to := r.URL.Query()["client_id"]
		if r.URL.Query().Get("all") == "1" {
			to = g.all()
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for _, id := range to {
			g.write(id, text)
		}
		answerJSON(w, map[string]int{"matched": len(to), "queued": len(to), "dropped": 0})
	})
	mux.HandleFunc("POST /v1/batch", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Commands []struct {
				Op        string   `json:"op"`
				ClientID  string   `json:"client_id"`
				UID       string   `json:"uid"`
				Groups    []string `json:"groups"`
				ClientIDs []string `json:"client_ids"`
			} `json:"commands"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		replies := []map[string]int{}
		for _, c := range body.Commands {
			status := http.StatusOK
			if c.Op == "bind" && (g.conn(c.ClientID) == nil || c.UID == "") || c.Op == "join" && len(c.ClientIDs) == 0 {
				status = http.StatusNotFound
			}
			replies = append(replies, map[string]int{"status": status})
		}
		answerJSON(w, map[string]any{"replies": replies})
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# TYPE go_goroutines gauge\ngo_goroutines_x 3\ngo_goroutines 12\nbig 1.5e+06\n")
	})
	server := httptest.NewServer(mux)
	c := NewControl(server.URL, "", 4)
	t.Cleanup(func() { c.Close(); server.Close() })
	return c
}

func answerJSON(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func TestScenarios(t *testing.T) {
	for name, c := range map[string]struct {
		scenario string
		plan     Plan
		received uint64 // 0: any number above 0
	}{
		"connect":               {"connect", Plan{}, 0},
		"idle, bound":           {"idle", Plan{Bind: true, Groups: 3, For: time.Millisecond}, 0},
		"broadcast":             {"broadcast", Plan{Rate: 200, For: 50 * time.Millisecond, Callers: 1}, 100},
		"broadcast, closed":     {"broadcast", Plan{For: 30 * time.Millisecond, Callers: 4}, 0},
		"unicast":               {"unicast", Plan{Rate: 500, For: 50 * time.Millisecond, Callers: 5, Bind: true}, 25},
		"unicast, as they come": {"unicast", Plan{For: 30 * time.Millisecond, Callers: 3}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, false)
			p := c.plan
			p.Control, p.PID, p.Size, p.Patience = controlOf(t, g, nil), os.Getpid(), 64, 30*time.Second
			p.Swarm = Config{URLs: []string{g.url}, Connections: 10}
			r, err := Run(t.Context(), c.scenario, p)
			if err != nil {
				t.Fatal(err)
			}
			if r.Report.Open != 10 || r.Opening <= 0 || r.Server == nil || r.Server.Threads == 0 || r.Server.PSS == 0 {
				t.Errorf("%+v", r)
			}
			if pushing := p.Callers > 0; pushing && (r.Report.Received == 0 || r.Deliveries == 0) ||
				c.received > 0 && r.Report.Received > c.received {
				t.Errorf("%d received, want %d", r.Report.Received, c.received)
			}
			for _, w := range r.Warnings {
				// A busy machine may be too slow for us; anything else is wrong.
				if !strings.Contains(w, "swarm was busy") && !strings.Contains(w, "pushes were made") {
					t.Errorf("warning %q", w)
				}
			}
			var out bytes.Buffer
			if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), c.scenario+", 10 connections") {
				t.Errorf("%v\n%s", err, out.String())
			}
			if b, err := json.Marshal(r); err != nil || !bytes.Contains(b, []byte(`"connections":10`)) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

// A refused push is counted, warned of, and its number used again, so that
// nothing seems lost.
func TestRefusedPushes(t *testing.T) {
	g := newGateway(t, false)
	p := Plan{
		Swarm:   Config{URLs: []string{g.url}, Connections: 3},
		Control: controlOf(t, g, func(n int64) bool { return n%2 == 0 }),
		Rate:    1000, For: 20 * time.Millisecond, Size: 64, Callers: 1, Patience: 30 * time.Second,
	}
	r, err := Run(t.Context(), "broadcast", p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Pushes.Taken == 0 || r.Pushes.Refused == 0 || r.Report.Received != uint64(3*r.Pushes.Taken) {
		t.Errorf("%+v, received %d", r.Pushes, r.Report.Received)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "refused") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// Clients that are not ours show in the server's answers.
func TestOtherClientsAreNoticed(t *testing.T) {
	g := newGateway(t, false)
	open(t, Config{URLs: []string{g.url}, Connections: 1, AcceptForeign: true})
	r, err := Run(t.Context(), "broadcast", Plan{
		Swarm: Config{URLs: []string{g.url}, Connections: 2}, Control: controlOf(t, g, nil),
		Rate: 100, For: 15 * time.Millisecond, Size: 64, Callers: 1, Patience: 30 * time.Second,
	})
	if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "other clients are connected") {
		t.Errorf("%v, warnings %q", err, r.Warnings)
	}
}

// A run that is interrupted ends with what it has measured.
func TestRunInterrupted(t *testing.T) {
	g := newGateway(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	p := Plan{
		Swarm: Config{URLs: []string{g.url}, Connections: 2}, Control: controlOf(t, g, nil),
		Rate: 1000, For: time.Hour, Size: 64, Callers: 2, Patience: 30 * time.Second,
		Log: func(line string) {
			if strings.HasPrefix(line, "pushing") {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
		},
	}
	r, err := Run(ctx, "broadcast", p)
	if err != nil || r.Report.Lost != 0 || r.Report.Received != uint64(2*r.Pushes.Taken) {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestPlanRefused(t *testing.T) {
	some := Plan{Control: NewControl("127.0.0.1:1", "", 1), Callers: 1, Size: 64}
	for want, change := range map[string]func(*Plan) string{
		`no scenario "storm"`:          func(*Plan) string { return "storm" },
		"needs the control API":        func(p *Plan) string { p.Control = nil; return "unicast" },
		"idle needs the control":       func(p *Plan) string { p.Control = nil; p.Bind = true; return "idle" },
		"callers: 0":                   func(p *Plan) string { p.Callers = 0; return "broadcast" },
		"size: 58 is not between 59":   func(p *Plan) string { p.Size = 58; return "broadcast" },
		"rate: -1":                     func(p *Plan) string { p.Rate = -1; return "broadcast" },
		"duration: -1s is not between": func(p *Plan) string { p.For = -time.Second; return "idle" },
		"connections: 0":               func(*Plan) string { return "connect" },
	} {
		p := some
		p.Swarm.URLs = []string{"ws://127.0.0.1:1"}
		_, err := Run(t.Context(), change(&p), p)
		wants(t, err, want)
	}
}
