package admin

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// gathered are the values of metrics by name.
func gathered(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	return values
}

// timed is how many requests have been timed.
func timed(t *testing.T, m *Metrics) (n uint64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		n += f.GetMetric()[0].GetHistogram().GetSampleCount()
	}
	return n
}

// What the port refuses and drops is counted.
func TestMetrics(t *testing.T) {
	t.Parallel()
	var m Metrics
	if all := gathered(t, &m); len(all) != 0 {
		t.Errorf("metrics of no port: %v", all)
	}
	r := start(t, "read ops key")
	m.Of(r.Server)
	r.refuses(401, "unauthorized", "POST", "/api/login", `{"key":"guess"}`, nil)
	r.login("key")
	r.watch("")
	all := gathered(t, &m)
	for name, want := range map[string]float64{"sessions": 1, "wrong_keys_total": 1, "tails": 1, "tail_dropped_total": 0, "connections_refused_total": 0} {
		if got, there := all["castgate_admin_"+name]; !there || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if n := timed(t, &m); n != 2 {
		t.Errorf("%d requests were timed, want 2 logins and no tail", n)
	}
	if all["castgate_admin_connections"] < 1 {
		t.Errorf("no connections: %v", all)
	}
}
