package wstest

import (
	"fmt"
	"net/http"
	"sort"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics that account for deliveries.
const (
	metricConnections = "castgate_connections"
	metricMatched     = "castgate_deliveries_matched_total"
	metricQueued      = "castgate_deliveries_queued"
	metricEnded       = "castgate_deliveries_total" // over all outcomes
	metricWritten     = `castgate_deliveries_total{outcome="written"}`
)

// Metrics reads /metrics with Prometheus' own parser. A sample's name is that of
// its metric, followed by its labels in braces, in alphabetical order. If a metric
// has labels, its bare name is the sum of its samples.
func (g *Gateway) Metrics() map[string]float64 {
	g.t.Helper()
	samples, err := g.TryMetrics()
	if err != nil {
		g.t.Fatalf("metrics: %v", err)
	}
	return samples
}

// TryMetrics is Metrics, but returns errors. It fails no test, so any goroutine may
// call it.
func (g *Gateway) TryMetrics() (map[string]float64, error) {
	resp, err := g.Request(http.MethodGet, "/metrics", nil, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, err
	}
	samples := make(map[string]float64)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			v := sampleValue(m)
			samples[name] += v
			if len(m.GetLabel()) > 0 {
				samples[name+labels(m)] = v
			}
		}
	}
	return samples, nil
}

// sampleValue is the value of a counter or gauge, or the count of a histogram.
func sampleValue(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	}
	return m.Untyped.GetValue()
}

func labels(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	sort.Strings(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// Deliveries is one reading of the counters of deliveries.
type Deliveries struct{ Matched, Written, Dropped, Queued int }

// Deliveries reads the counters from /metrics. A missing metric fails the test.
func (g *Gateway) Deliveries() Deliveries {
	g.t.Helper()
	m := g.Metrics()
	need := func(name string) int {
		v, ok := m[name]
		if !ok {
			g.t.Fatalf("/metrics has no %s", name)
		}
		return int(v)
	}
	written := need(metricWritten)
	return Deliveries{
		Matched: need(metricMatched), Written: written,
		Dropped: need(metricEnded) - written, Queued: need(metricQueued),
	}
}

// Balanced waits until no delivery is pending and requires that each was counted
// exactly once. It returns the reading.
func (g *Gateway) Balanced(t testing.TB) Deliveries {
	t.Helper()
	var d Deliveries
	// The counters of the loops are read one after the other, so a single reading
	// may be inconsistent while deliveries end.
	Await(t, func() string {
		d = g.Deliveries()
		if d.Queued != 0 || d.Matched != d.Written+d.Dropped {
			return fmt.Sprintf("deliveries do not add up: %+v", d)
		}
		return ""
	})
	return d
}

// Settled waits until no client is connected, and requires that matched = written +
// dropped and that nothing is queued. It returns the reading.
func (g *Gateway) Settled(t testing.TB) Deliveries {
	t.Helper()
	g.AwaitMetric(metricConnections, 0)
	return g.Balanced(t)
}

// AwaitMetric waits until a sample has this value.
func (g *Gateway) AwaitMetric(name string, want float64) {
	g.t.Helper()
	g.Await(func() string {
		if got, ok := g.Metrics()[name]; !ok || got != want {
			return fmt.Sprintf("%s is %v (present: %v), want %v", name, got, ok, want)
		}
		return ""
	})
}

// Await calls problem until it returns "". When Patience is over, it fails the test
// with the last answer.
func (g *Gateway) Await(problem func() string) {
	g.t.Helper()
	Await(g.t, problem)
}
