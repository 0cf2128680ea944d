package control

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"castgate/server/gateway"
	"castgate/server/internal/pemfile"
)

const namespace = "castgate_"

// metrics turns the gateway's counters into Prometheus metrics at each scrape:
// nothing is counted twice, and pushes do no work for it.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	scrapes  scrapes
	// requests counts answers by route and status. The index is route.index, or
	// one more than the last for requests without a route, times the number of
	// statuses, plus the status's place in answered.
	requests []atomic.Uint64
	// latencies are the durations of requests, by route.index.
	latencies []latency
}

// answered are the statuses that the port answers with, in ascending order.
var answered = func() []int {
	set := map[int]bool{200: true, 204: true}
	for _, status := range statuses {
		set[status] = true
	}
	return slices.Sorted(maps.Keys(set))
}()

func newMetrics(s *Server) *metrics {
	m := &metrics{server: s, registry: prometheus.NewRegistry()}
	m.scrapes.source = m.registry
	m.requests = make([]atomic.Uint64, (len(s.routes.routes)+1)*len(answered))
	m.latencies = make([]latency, len(s.routes.routes))
	m.registry.MustRegister(m)
	m.registry.MustRegister(s.config.Collectors...)
	// Under the names that dashboards for Go programs expect.
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count records an answered request and its duration; r is nil if it had no
// route.
func (m *metrics) count(r *route, status int, took time.Duration) {
	row := len(m.server.routes.routes)
	if r != nil {
		row = r.index
		m.latencies[row].observe(took)
	}
	if i, ok := slices.BinarySearch(answered, status); ok {
		m.requests[row*len(answered)+i].Add(1)
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Metrics with several labels, or that are not statistics.
var (
	descRequests = desc("control_requests_total", "Requests answered by the control port, by method, route and status.", "method", "route", "status")
	descLatency  = desc("control_request_seconds", "Duration of control requests, from their last byte to the answer; of a streamed listing, to its first page. A push with wait includes the wait.", "method", "route")
	descBuild    = desc("build_info", "Always 1; the labels identify the build.", "version", "commit", "goversion")
	descExpiry   = desc("tls_certificate_expiry_seconds", "Unix time at which a certificate expires, by listener and place in its setting.", "listener", "certificate", "name")
)

// Describe implements prometheus.Collector as an unchecked collector: some
// labels come from the gateway.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	st, err := m.server.gateway.Stats(context.Background())
	if err != nil {
		out <- prometheus.NewInvalidMetric(descBuild, err)
		return
	}
	collect(gatewayStatistics, &st, out)
	collect(portStatistics, m.server, out)
	if l := m.server.listener; l != nil {
		n := l.Counts()
		collect(callerStatistics, &n, out)
	}
	c := &m.server.config
	out <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, 1, c.Version, c.Commit, runtime.Version())
	m.collectRequests(out)
	m.collectExpiries(&st, out)
}

// collectRequests sends the number and duration of requests.
func (m *metrics) collectRequests(out chan<- prometheus.Metric) {
	routes := m.server.routes.routes
	for i := range m.requests {
		n := m.requests[i].Load()
		if n == 0 {
			continue
		}
		method, path := "", "none"
		if row := i / len(answered); row < len(routes) {
			method, path = routes[row].method, routes[row].path
		}
		out <- prometheus.MustNewConstMetric(descRequests, prometheus.CounterValue, float64(n), method, path, strconv.Itoa(answered[i%len(answered)]))
	}
	for i, r := range routes {
		if one := m.latencies[i].metric(descLatency, r.method, r.path); one != nil {
			out <- one
		}
	}
}

// collectExpiries sends the expiry times of the certificates.
func (m *metrics) collectExpiries(st *gateway.Stats, out chan<- prometheus.Metric) {
	send := func(listener string, place int, name string, end time.Time) {
		out <- prometheus.MustNewConstMetric(descExpiry, prometheus.GaugeValue, float64(end.Unix()), listener, strconv.Itoa(place), name)
	}
	for i, c := range st.Certificates {
		send("clients", i+1, c.Name, c.NotAfter)
	}
	if now := m.server.tls.Now(); now != nil {
		for i := range now.Certificates {
			if leaf := now.Certificates[i].Leaf; leaf != nil {
				send("control", i+1, pemfile.CertificateName(leaf), leaf.NotAfter)
			}
		}
	}
}
