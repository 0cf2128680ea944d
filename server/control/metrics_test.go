package control

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestMetrics(t *testing.T) {
	p := start(t, func(c *Config) { c.Version, c.Commit = "v1", "abc" })
	p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`)
	p.ask("POST", "/v1/push", `{}`)
	p.ask("GET", "/nothing", ``)
	status, body, h := p.ask("GET", "/metrics", "")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %v", status, h)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "castgate_") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s begins neither with %s nor as Go's own do", name, "castgate_")
		}
	}
	for _, want := range []string{
		`castgate_connections 2`,
		`castgate_handshakes_total{result="ok"} 2`,
		`castgate_deliveries_matched_total 10`,
		`castgate_deliveries_total{outcome="written"} 6`,
		`castgate_deliveries_total{outcome="dropped_slow"} 3`,
		`castgate_deliveries_queued 1`,
		`castgate_loop_lag_seconds 0.0015`,
		`castgate_compressed_connections 1`,
		`castgate_pushes_compressed_total{outcome="compressed"} 4`,
		`castgate_pushes_compressed_total{outcome="not_shorter"} 5`,
		`castgate_compress_bytes_total{side="before"} 600`,
		`castgate_compress_bytes_total{side="after"} 70`,
		`castgate_messages_inflated_total 8`,
		`castgate_inflate_bytes_total{side="before"} 90`,
		`castgate_inflate_bytes_total{side="after"} 1000`,
		`castgate_inflate_errors_total{reason="too_big"} 11`,
		`castgate_control_connections 1`,
		`castgate_control_requests_total{method="POST",route="/v1/push",status="200"} 1`,
		`castgate_control_requests_total{method="POST",route="/v1/push",status="400"} 1`,
		`castgate_control_requests_total{method="",route="none",status="404"} 1`,
		`castgate_panics_total{part="control"} 0`,
		`castgate_pushes_unmatched_total 2`,
		`castgate_build_info{commit="abc",goversion="` + runtime.Version() + `",version="v1"} 1`,
		`castgate_tls_certificate_expiry_seconds{certificate="1",listener="clients",name="a.example"} 1.795464e+09`,
		`castgate_last_reload_success 1`,
		`castgate_control_request_seconds_count{method="POST",route="/v1/push",status="400"} 1`,
		`castgate_control_request_seconds_bucket{method="POST",route="/v1/push",status="200",le="+Inf"} 1`,
		`castgate_loop_turn_seconds_count 0`,
		`castgate_push_seconds_bucket{le="10"} 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	p.fake.broken = true // a scrape that panics is answered too
	if status, _, _ := p.ask("GET", "/metrics", ""); status == 200 {
		t.Error(fmt.Sprint("status ", status))
	}
}

// TestReloadMetrics: the result of the last reload, and when one was last
// applied.
func TestReloadMetrics(t *testing.T) {
	var refuse error
	p := start(t, func(c *Config) { c.Reload = func() (Reloaded, error) { return Reloaded{}, refuse } })
	read := func() (success, at float64) {
		t.Helper()
		_, body, _ := p.ask("GET", "/metrics", "")
		for line := range strings.Lines(body) {
			_, _ = fmt.Sscanf(line, "castgate_last_reload_success %g", &success)
			_, _ = fmt.Sscanf(line, "castgate_last_reload_success_timestamp_seconds %g", &at)
		}
		return success, at
	}
	success, began := read()
	if success != 1 || began == 0 {
		t.Errorf("before the first: %g, %g", success, began)
	}
	refuse = errors.New("a typing error")
	p.refuses(409, "reload_refused", "POST", "/v1/reload", "")
	if success, at := read(); success != 0 || at != began {
		t.Errorf("after one that was refused: %g, %g, want 0, %g", success, at, began)
	}
	refuse = nil
	p.ask("POST", "/v1/reload", "")
	if success, at := read(); success != 1 || at <= began {
		t.Errorf("after one that was applied: %g, %g, want 1 and more than %g", success, at, began)
	}
}
