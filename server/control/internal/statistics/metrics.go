package statistics

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"castgate/server/gateway"
)

const namespace = "castgate_"

// Config configures Metrics.
type Config struct {
	// Gateway reads the numbers of the gateway, Port those of the port. Both are
	// called from any goroutine, once per scrape.
	Gateway func(context.Context) (gateway.Stats, error)
	Port    func() Port
	// Collectors are the metrics of other fronts.
	Collectors []prometheus.Collector
	// Routes are what requests are counted by, with Statuses: all statuses that
	// the port answers with, in ascending order.
	Routes   []Route
	Statuses []int
	// Version and Commit identify the build.
	Version, Commit string
}

// Route is a path with a method.
type Route struct{ Method, Path string }

// NoRoute is the index of requests without a route.
const NoRoute = -1

// Metrics turns counters into Prometheus metrics at each scrape: nothing is
// counted twice, and pushes do no work for it.
type Metrics struct {
	config   Config
	registry *prometheus.Registry
	scrapes  scrapes
	// requests counts answers by route and status. The index is the route's, or
	// one more than the last for requests without a route, times the number of
	// statuses, plus the status's place in Config.Statuses.
	requests []atomic.Uint64
	// durations are those of requests with a route, by the same index; nil before the
	// first.
	durations []atomic.Pointer[gateway.Stopwatch]
}

// New makes the metrics of a port. It panics if those of Collectors collide.
func New(c Config) *Metrics {
	m := &Metrics{config: c, registry: prometheus.NewRegistry()}
	m.scrapes.source = m.registry
	m.requests = make([]atomic.Uint64, (len(c.Routes)+1)*len(c.Statuses))
	m.durations = make([]atomic.Pointer[gateway.Stopwatch], len(c.Routes)*len(c.Statuses))
	m.registry.MustRegister(m)
	m.registry.MustRegister(c.Collectors...)
	// Under the names that dashboards for Go programs expect.
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Count records an answered request and its duration. route is the index in
// Config.Routes, or NoRoute. It may be called from any goroutine.
func (m *Metrics) Count(route, status int, took time.Duration) {
	row := len(m.config.Routes)
	if route != NoRoute {
		row = route
	}
	i, ok := slices.BinarySearch(m.config.Statuses, status)
	if !ok {
		return
	}
	i += row * len(m.config.Statuses)
	m.requests[i].Add(1)
	if route != NoRoute {
		stopwatchOf(&m.durations[i]).Observe(took)
	}
}

// stopwatchOf is the stopwatch of a place, made at its first use: most routes never
// answer with most statuses.
func stopwatchOf(place *atomic.Pointer[gateway.Stopwatch]) *gateway.Stopwatch {
	if s := place.Load(); s != nil {
		return s
	}
	place.CompareAndSwap(nil, new(gateway.Stopwatch))
	return place.Load()
}

// Text returns all metrics as they are now, in the format of ContentType. It must
// not be changed. It may be called from any goroutine.
func (m *Metrics) Text() ([]byte, error) { return m.scrapes.get() }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

// Metrics with several labels, or that are not statistics.
var (
	descRequests = desc("control_requests_total", "Requests answered by the control port, by method, route and status.", "method", "route", "status")
	descLatency  = desc("control_request_seconds", "Duration of control requests, from their last byte to the answer; of a streamed listing, to its first page. A push with wait includes the wait.", "method", "route", "status")
	descBuild    = desc("build_info", "Always 1; the labels identify the build.", "version", "commit", "goversion")
	descExpiry   = desc("tls_certificate_expiry_seconds", "Unix time at which a certificate expires, by listener and place in its setting.", "listener", "certificate", "name")
)

// Describe implements prometheus.Collector as an unchecked collector: some
// labels come from the gateway.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	st, err := m.config.Gateway(context.Background())
	if err != nil {
		out <- prometheus.NewInvalidMetric(descBuild, err)
		return
	}
	port := m.config.Port()
	collect(gatewayStatistics, &st, out)
	collect(portStatistics, &port, out)
	out <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, 1, m.config.Version, m.config.Commit, runtime.Version())
	m.collectRequests(out)
	collectExpiries("clients", st.Certificates, out)
	collectExpiries("control", port.Certificates, out)
}

// collectRequests sends the number and duration of requests.
func (m *Metrics) collectRequests(out chan<- prometheus.Metric) {
	routes, statuses := m.config.Routes, m.config.Statuses
	for i := range m.requests {
		n := m.requests[i].Load()
		if n == 0 {
			continue
		}
		method, path := "", "none"
		if row := i / len(statuses); row < len(routes) {
			method, path = routes[row].Method, routes[row].Path
		}
		status := strconv.Itoa(statuses[i%len(statuses)])
		out <- prometheus.MustNewConstMetric(descRequests, prometheus.CounterValue, float64(n), method, path, status)
		if i >= len(m.durations) {
			continue
		}
		if s := m.durations[i].Load(); s != nil {
			var took gateway.Durations
			s.AddTo(&took)
			out <- histogram(descLatency, &took, method, path, status)
		}
	}
}

// collectExpiries sends the expiry times of a listener's certificates.
func collectExpiries(listener string, certificates []gateway.Certificate, out chan<- prometheus.Metric) {
	for i, c := range certificates {
		out <- prometheus.MustNewConstMetric(descExpiry, prometheus.GaugeValue, float64(c.NotAfter.Unix()), listener, strconv.Itoa(i+1), c.Name)
	}
}
