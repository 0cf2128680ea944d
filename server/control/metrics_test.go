package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestMetrics(t *testing.T) {
	p := start(t, nil)
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
		if !strings.HasPrefix(name, namespace) {
			t.Errorf("%s does not begin with %s", name, namespace)
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
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, name := range []string{"castgate_go_goroutines", "castgate_process_open_fds"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	p.fake.broken = true // a scrape that panics is an answer, too
	if status, _, _ := p.ask("GET", "/metrics", ""); status == 200 {
		t.Error(fmt.Sprint("status ", status))
	}
}
