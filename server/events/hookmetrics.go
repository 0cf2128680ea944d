package events

import "github.com/prometheus/client_golang/prometheus"

var (
	descHookResults = prometheus.NewDesc("castgate_connect_hook_total", "Connections by what connect-url has decided: accepted, refused; or nothing: failed (no answer, or a wrong one), busy (too many waited), late (waited for longer than connect-timeout to be asked about), gone (had left before anybody was asked).", []string{"result"}, nil)
	descHookWaiting = prometheus.NewDesc("castgate_connect_hook_waiting", "Connections that wait for a verdict of connect-url.", nil, nil)
	descHookLatency = prometheus.NewDesc("castgate_connect_hook_duration_seconds", "How long connect-url took to answer.", nil, nil)
)

// Describe implements prometheus.Collector as an unchecked collector.
func (h *Hook) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Any goroutine.
func (h *Hook) Collect(out chan<- prometheus.Metric) {
	for i := range h.results {
		out <- prometheus.MustNewConstMetric(descHookResults, prometheus.CounterValue, float64(h.results[i].Load()), hookResults[i])
	}
	h.mu.Lock()
	waiting := len(h.waiting)
	h.mu.Unlock()
	out <- prometheus.MustNewConstMetric(descHookWaiting, prometheus.GaugeValue, float64(waiting))
	out <- h.latency.metric(descHookLatency)
}
