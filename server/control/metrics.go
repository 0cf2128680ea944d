package control

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"
)

const namespace = "castgate_"

// metrics turns the gateway's counters into Prometheus metrics, at each
// scrape: nothing is counted twice, and nothing is counted on the way of a push.
type metrics struct {
	srv      *Server
	registry *prometheus.Registry
	requests sync.Map // requestKey -> *atomic.Uint64
}

type requestKey struct {
	route  string
	status int
}

func newMetrics(s *Server) *metrics {
	m := &metrics{srv: s, registry: prometheus.NewRegistry()}
	m.registry.MustRegister(m)
	prefixed := prometheus.WrapRegistererWithPrefix(namespace, m.registry)
	prefixed.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count counts an answered request. route is a pattern, so that there are few.
func (m *metrics) count(route string, status int) {
	key := requestKey{route, status}
	n, ok := m.requests.Load(key)
	if !ok {
		n, _ = m.requests.LoadOrStore(key, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+name, help, labels, nil)
}

var (
	descConnections = desc("connections", "Clients whose handshake is done.")
	descSockets     = desc("sockets", "Client sockets open, in whatever phase.")
	descMaxConns    = desc("max_connections", "Client sockets that may be open.")
	descUIDs        = desc("uids", "Uids that have a client.")
	descGroups      = desc("groups", "Groups that have a client.")
	descQueued      = desc("deliveries_queued", "Deliveries that have not ended.")
	descQueueBytes  = desc("queue_bytes", "Bytes that wait for client sockets.")
	descLag         = desc("loop_lag_seconds", "By how much the slowest event loop was late for its last tick.")
	descControl     = desc("control_connections", "Connections of the control port.")

	descAccepted   = desc("accepted_total", "Client sockets accepted.")
	descHandshakes = desc("handshakes_total", "Handshakes ended.", "result")
	descCloses     = desc("closes_total", "Clients gone.", "reason")
	descPushes     = desc("pushes_total", "Pushes taken.")
	descRefused    = desc("pushes_refused_total", "Pushes refused for want of room.")
	descMatched    = desc("deliveries_matched_total", "Deliveries that pushes asked for.")
	descDeliveries = desc("deliveries_total", "Deliveries ended.", "outcome")
	descMessages   = desc("messages_received_total", "Messages from clients.")
	descBytesIn    = desc("received_bytes_total", "Bytes read from client sockets.")
	descBytesOut   = desc("sent_bytes_total", "Bytes written to client sockets.")
	descWrites     = desc("writes_total", "System calls that wrote to client sockets.")
	descPings      = desc("pings_sent_total", "Pings sent by the heartbeat.")
	descPanics     = desc("panics_total", "Defects survived.", "part")
	descRequests   = desc("control_requests_total", "Requests answered by the control port.", "route", "status")
	descEvicted    = desc("control_evictions_total", "Control connections closed or refused for want of room.", "what")
)

// Describe implements prometheus.Collector as an unchecked one: labels come
// from the gateway.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	st, err := m.srv.gateway.Stats(context.Background())
	if err != nil {
		return
	}
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) { send(d, prometheus.GaugeValue, v) }
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		send(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descConnections, float64(st.Connections))
	gauge(descSockets, float64(st.Sockets))
	gauge(descMaxConns, float64(st.MaxConns))
	gauge(descUIDs, float64(st.UIDs))
	gauge(descGroups, float64(st.Groups))
	gauge(descQueued, float64(st.Queued))
	gauge(descQueueBytes, float64(st.QueuedBytes))
	gauge(descLag, st.LoopLag.Seconds())
	counter(descAccepted, st.Accepted)
	for result, n := range st.Handshakes {
		counter(descHandshakes, n, result)
	}
	for reason, n := range st.Closes {
		counter(descCloses, n, reason)
	}
	counter(descPushes, st.Pushes)
	counter(descRefused, st.PushesRefused)
	counter(descMatched, st.Matched)
	counter(descDeliveries, st.Written, "written")
	for reason, n := range st.Dropped {
		counter(descDeliveries, n, "dropped_"+reason)
	}
	counter(descMessages, st.MessagesIn)
	counter(descBytesIn, st.BytesIn)
	counter(descBytesOut, st.BytesOut)
	counter(descWrites, st.Writes)
	counter(descPings, st.Pings)
	counter(descPanics, st.Panics, "clients")
	counter(descPanics, m.srv.panicked.Load(), "control")
	m.requests.Range(func(k, n any) bool {
		key := k.(requestKey)
		counter(descRequests, n.(*atomic.Uint64).Load(), key.route, strconv.Itoa(key.status))
		return true
	})
	if l := m.srv.listener; l != nil {
		open, refused, evicted := l.open()
		gauge(descControl, float64(open))
		counter(descEvicted, refused, "refused")
		counter(descEvicted, evicted, "idle_closed")
	}
}

func serveMetrics(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		s.log.Error("metrics", "error", err)
		writeProblem(ctx, problemInternal)
		return
	}
	var b bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			s.log.Error("metrics", "error", err)
			writeProblem(ctx, problemInternal)
			return
		}
	}
	ctx.SetContentType(string(format))
	ctx.Response.SetBodyRaw(b.Bytes())
}
