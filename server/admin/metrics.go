package admin

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("castgate_admin_"+name, help, labels, nil)
}

var (
	descConns       = desc("connections", "Open connections of the admin page's port.")
	descTurnedAway  = desc("connections_refused_total", "Connections of the admin page's port that were closed because there were too many.")
	descSessions    = desc("sessions", "Active logins.")
	descWrong       = desc("wrong_keys_total", "Wrong keys at the admin page's port.")
	descTails       = desc("tails", "Live tails that are open.")
	descTailDropped = desc("tail_dropped_total", "Happenings that a live tail missed because it was too slow.")
)

// newTimes is the histogram of how long requests take in the server, without tails, which
// last as long as somebody watches.
func newTimes() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "castgate_admin_request_duration_seconds", Help: "Duration of requests at the admin page's port, live tails excepted.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
	})
}

// timed observes how long a request takes.
func (s *Server) timed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		defer func() { s.times.Observe(time.Since(began).Seconds()) }()
		next(w, r)
	}
}

// Metrics are those of an admin port that is made later than who collects them.
type Metrics struct{ of atomic.Pointer[Server] }

// Of sets whose metrics they are.
func (m *Metrics) Of(s *Server) { m.of.Store(s) }

// Describe implements prometheus.Collector as an unchecked collector.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Any goroutine.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	s := m.of.Load()
	if s == nil {
		return
	}
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{descConns, prometheus.GaugeValue, float64(s.conns.Load())},
		{descTurnedAway, prometheus.CounterValue, float64(s.turnedAway.Load())},
		{descSessions, prometheus.GaugeValue, float64(s.sessions.len())},
		{descWrong, prometheus.CounterValue, float64(s.gate.wrong.Load())},
		{descTails, prometheus.GaugeValue, float64(s.tails.open.Load())},
		{descTailDropped, prometheus.CounterValue, float64(s.tails.dropped.Load())},
	} {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value)
	}
	s.times.Collect(out)
}
