package gatewaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"castgate/loadtest/control"
)

// Control serves the part of the control API that control.Client uses, for a gateway
// of this test. It answers 503 to every request for which refuse returns true.
func Control(t *testing.T, g *Gateway, refuse func(n int64) bool) *control.Client {
	return Tampered(t, g, refuse, nil)
}

// Tampered is Control for a gateway that writes the messages that tamper
// returns for the n-th push, from 1, to its k-th receiver. A nil tamper writes
// the pushed message.
func Tampered(t *testing.T, g *Gateway, refuse func(n int64) bool, tamper func(n int64, k int, message []byte) [][]byte) *control.Client {
	t.Helper()
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/push/raw", func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if refuse != nil && refuse(n) {
			http.Error(w, `{"code":"busy"}`, http.StatusServiceUnavailable)
			return
		}
		to := g.targets(r.URL.Query())
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for k, id := range to {
			if tamper == nil {
				g.Write(id, text)
				continue
			}
			for _, b := range tamper(n, k, text) {
				g.Write(id, b)
			}
		}
		answerJSON(w, map[string]int{"matched": len(to), "queued": len(to), "dropped": 0})
	})
	mux.HandleFunc("POST /v1/batch", func(w http.ResponseWriter, r *http.Request) { g.batch(t, w, r) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# TYPE go_goroutines gauge\ngo_goroutines_x 3\ngo_goroutines 12\nbig 1.5e+06\n"+g.slowMetrics())
	})
	server := httptest.NewServer(mux)
	c := control.New(server.URL, "", 4)
	t.Cleanup(func() { c.Close(); server.Close() })
	return c
}

// slowMetrics are castgate's metrics of slow clients, if the gateway reports
// them.
func (g *Gateway) slowMetrics() string {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	if !g.Says {
		return ""
	}
	return fmt.Sprintf("castgate_closes_total{reason=\"slow\"} %d\ncastgate_closes_total{reason=\"ping_timeout\"} 0\ncastgate_deliveries_total{outcome=\"dropped_slow\"} %d\n",
		g.SlowClosed, g.SlowDropped)
}

// batch serves /v1/batch.
func (g *Gateway) batch(t *testing.T, w http.ResponseWriter, r *http.Request) {
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
		if c.Op == "bind" && (c.UID == "" || !g.bind(c.ClientID, c.UID, c.Groups)) || c.Op == "join" && len(c.ClientIDs) == 0 {
			status = http.StatusNotFound
		}
		replies = append(replies, map[string]int{"status": status})
	}
	answerJSON(w, map[string]any{"replies": replies})
}

func answerJSON(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
