package statistics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// Requests are counted by route and status, and those without a route, too.
func TestCount(t *testing.T) {
	var failing error
	expires := time.Unix(1_000_000_000, 0)
	m := New(Config{
		Gateway: func(context.Context) (gateway.Stats, error) {
			return gateway.Stats{Certificates: []gateway.Certificate{{Name: "a", NotAfter: expires}, {Name: "b", NotAfter: expires}}}, failing
		},
		Port: func() Port {
			return Port{Panics: 3, Certificates: []gateway.Certificate{{Name: "c", NotAfter: expires}}}
		},
		Routes: []Route{{"GET", "/a"}, {"POST", "/b"}}, Statuses: []int{200, 404}, Version: "v1", Commit: "abc",
	})
	if first := testing.AllocsPerRun(1, func() { m.Count(1, 404, 0) }); first != 0 {
		t.Errorf("the second request of a kind allocates %v times", first)
	}
	m.Count(1, 200, time.Second)
	m.Count(1, 200, time.Hour)
	m.Count(0, 404, 0)
	m.Count(NoRoute, 404, 0)
	m.Count(NoRoute, 500, 0) // not a status of the port
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`castgate_control_requests_total{method="GET",route="/a",status="404"} 1`,
		`castgate_control_requests_total{method="POST",route="/b",status="200"} 2`,
		`castgate_control_requests_total{method="",route="none",status="404"} 1`,
		`castgate_control_request_seconds_count{method="POST",route="/b",status="200"} 2`,
		`castgate_control_request_seconds_bucket{method="POST",route="/b",status="200",le="1"} 1`,
		`castgate_control_request_seconds_count{method="GET",route="/a",status="404"} 1`,
		`castgate_panics_total{part="control"} 3`,
		`castgate_panics_total{part="clients"} 0`,
		`castgate_tls_certificate_expiry_seconds{certificate="2",listener="clients",name="b"} 1e+09`,
		`castgate_tls_certificate_expiry_seconds{certificate="1",listener="control",name="c"} 1e+09`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(string(text), "castgate_control_requests_total{"); n != 4 {
		t.Errorf("%d lines of requests, want 4: %s", n, text)
	}
	failing = errors.New("broken")
	if _, err := m.Text(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("of a gateway that fails: %v", err)
	}
}
