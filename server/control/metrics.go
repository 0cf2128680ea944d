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

// metrics turns the gateway's counters into Prometheus metrics, at each
// scrape: nothing is counted twice, and nothing of it on the way of a push.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	scrapes  scrapes
	// requests counts answers by route and status: by route.index, one more
	// for requests without a route, times the place in answered.
	requests []atomic.Uint64
	// latencies are how long requests took, by route.index.
	latencies []latency
}

// answered are the statuses that the port answers with, in order.
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
	// Under the names that dashboards for Go programs know.
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count counts an answered request and how long it took; r is nil if it had no
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

var (
	descConnections = desc("connections", "Clients whose handshake is done.")
	descSockets     = desc("sockets", "Client sockets open, in whatever phase.")
	descWaiting     = desc("handshakes_waiting", "Connections whose handshake waits for a worker of GatewayWorker.")
	descMaxConns    = desc("max_connections", "Client sockets that may be open.")
	descUIDs        = desc("uids", "Uids that have a client.")
	descGroups      = desc("groups", "Groups that have a client.")
	descQueued      = desc("deliveries_queued", "Deliveries that wait: neither written nor dropped.")
	descQueueBytes  = desc("queue_bytes", "Bytes that wait for client sockets.")
	descHeads       = desc("handshake_head_bytes", "Bytes of unfinished request heads, and of what came behind heads whose tokens are checked, each with its overhead.")
	descLag         = desc("loop_lag_seconds", "By how much the slowest event loop was late for its last tick.")
	descAddresses   = desc("addresses", "Client addresses whose connections are counted, or whose rate is remembered.")
	descControl     = desc("control_connections", "Connections of the control port.")

	descCompressing   = desc("compressed_connections", "Clients that agreed on permessage-deflate.")
	descCompressed    = desc("pushes_compressed_total", "Pushes compressed, by outcome: compressed, or not_shorter and sent plain.", "outcome")
	descCompressBytes = desc("compress_bytes_total", "Bytes of pushes before and after compression.", "side")
	descInflated      = desc("messages_inflated_total", "Compressed messages from clients.")
	descInflateBytes  = desc("inflate_bytes_total", "Bytes of compressed messages from clients, before and after inflating.", "side")
	descInflateErrors = desc("inflate_errors_total", "Compressed messages that were refused.", "reason")

	descAccepted   = desc("accepted_total", "Client sockets accepted.")
	descAcceptErrs = desc("accept_errors_total", "Errors of accept; each was tried again.")
	descDelayed    = desc("accepts_delayed_total", "Times that accepting waited for handshake-rate.")
	descHandshakes = desc("handshakes_total", "WebSocket handshakes, by outcome.", "result")
	descTokens     = desc("tokens_refused_total", "Handshakes refused for their token, by reason.", "reason")
	descKeyFetches = desc("jwks_fetches_total", "Times that the keys under the URL of jwt-jwks were fetched; after a failure the old ones stay.", "result")
	descKeys       = desc("jwks_keys", "Keys that came from the URL of jwt-jwks.")
	descKeysAt     = desc("jwks_last_success_timestamp_seconds", "When these keys were last fetched, in Unix time; 0 is never.")
	descTLS        = desc("tls_handshakes_total", "TLS handshakes of clients, by outcome: full and resumed ones succeeded.", "result")
	descCerts      = desc("tls_certificate_reloads_total", "Times the certificates were read anew; after a failure the old ones stay.", "result")
	descCloses     = desc("closes_total", "Client connections closed, by reason.", "reason")
	descPushes     = desc("pushes_total", "Pushes taken.")
	descUnmatched  = desc("pushes_unmatched_total", "Pushes taken for which there was nobody.")
	descRefused    = desc("pushes_refused_total", "Pushes refused for want of room.")
	descMatched    = desc("deliveries_matched_total", "Deliveries that pushes asked for.")
	descDeliveries = desc("deliveries_total", "Deliveries, by outcome: written, or dropped and why.", "outcome")
	descMessages   = desc("messages_received_total", "Messages from clients.")
	descBytesIn    = desc("received_bytes_total", "Bytes read from client sockets.")
	descBytesOut   = desc("sent_bytes_total", "Bytes written to client sockets.")
	descPutOff     = desc("messages_put_off_total", "Times that the rest of what a client had sent at once waited for a turn, its socket unread meanwhile.")
	descWrites     = desc("writes_total", "System calls that wrote to client sockets.")
	descPings      = desc("pings_sent_total", "Pings sent by the heartbeat.")
	descPanics     = desc("panics_total", "Panics recovered, by part of the program.", "part")
	descRequests   = desc("control_requests_total", "Requests answered by the control port.", "method", "route", "status")

	descLatency  = desc("control_request_seconds", "How long control requests took, from their last byte to their answer; of a streamed listing, to its first page. Pushes with wait include the wait.", "method", "route")
	descBuild    = desc("build_info", "1; the labels say what runs.", "version", "commit", "goversion")
	descExpiry   = desc("tls_certificate_expiry_seconds", "When a certificate ends, in seconds since 1970, by listener and place in its setting.", "listener", "certificate", "name")
	descReloadOK = desc("last_reload_success", "Whether the last reload was applied; 1 before the first.")
	descReloaded = desc("last_reload_success_timestamp_seconds", "When a reload was last applied, in seconds since 1970; before the first, when the control port started.")

	descNotDone      = desc("control_batch_refused_total", "Commands of batches that were not carried out, by the code of their replies.", "code")
	descEvicted      = desc("control_idle_closed_total", "Control connections closed to make room for others.")
	descCrowded      = desc("control_crowded_total", "Requests refused because all connections of callers were in use, or their caller had its share of them.")
	descTurnedAway   = desc("control_refused_total", "Control connections refused for want of room.")
	descDenied       = desc("control_denied_total", "Control connections closed because control-allow does not have their address.")
	descCertificates = desc("control_certificates_refused_total", "Control connections refused because the caller has shown no certificate, or none that control-client-ca has signed.", "reason")
	descReloads      = desc("reloads_total", "Reloads of the configuration.", "result")
	descAudit        = desc("audit_records_total", "Records of the audit log.", "result")
	descControlCerts = desc("control_certificate_reloads_total", "Times the control port's certificates were read anew; after a failure the old ones stay.", "result")
	descAcceptErrors = desc("control_accept_errors_total", "Errors of accept on the control port.")
)

// Describe implements prometheus.Collector as an unchecked one: labels come
// from the gateway.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	st, err := m.server.gateway.Stats(context.Background())
	if err != nil {
		out <- prometheus.NewInvalidMetric(descConnections, err)
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
	gauge(descWaiting, float64(st.Waiting))
	gauge(descMaxConns, float64(st.MaxConns))
	gauge(descUIDs, float64(st.UIDs))
	gauge(descGroups, float64(st.Groups))
	gauge(descQueued, float64(st.Queued))
	gauge(descQueueBytes, float64(st.QueuedBytes))
	gauge(descHeads, float64(st.HeadBytes))
	gauge(descLag, st.LoopLag.Seconds())
	gauge(descAddresses, float64(st.Addresses))
	counter(descAccepted, st.Accepted)
	counter(descAcceptErrs, st.AcceptErrors)
	counter(descDelayed, st.Delayed)
	for result, n := range st.Handshakes {
		counter(descHandshakes, n, result)
	}
	collectTokens(&st, gauge, counter)
	for result, n := range st.TLSHandshakes {
		counter(descTLS, n, result)
	}
	counter(descCerts, st.CertificateReloads, "ok")
	counter(descCerts, st.CertificateFailures, "failed")
	for i, c := range st.Certificates {
		send(descExpiry, prometheus.GaugeValue, float64(c.NotAfter.Unix()), "clients", strconv.Itoa(i+1), c.Name)
	}
	for reason, n := range st.Closes {
		counter(descCloses, n, reason)
	}
	counter(descPushes, st.Pushes)
	counter(descUnmatched, st.PushesUnmatched)
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
	counter(descPutOff, st.PutOff)
	counter(descPings, st.Pings)
	counter(descPanics, st.Panics, "clients")
	collectCompression(&st, gauge, counter)
	m.collectControl(gauge, counter)
	m.collectProcess(out)
}

// collectProcess sends latencies, and what is known of the process: what it was
// built from, its certificate for callers and its last reload.
func (m *metrics) collectProcess(out chan<- prometheus.Metric) {
	for i, r := range m.server.routes.routes {
		if one := m.latencies[i].metric(descLatency, r.method, r.path); one != nil {
			out <- one
		}
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c := &m.server.config
	gauge(descBuild, 1, c.Version, c.Commit, runtime.Version())
	if now := m.server.tls.Now(); now != nil {
		for i := range now.Certificates {
			if leaf := now.Certificates[i].Leaf; leaf != nil {
				gauge(descExpiry, float64(leaf.NotAfter.Unix()), "control", strconv.Itoa(i+1), pemfile.CertificateName(leaf))
			}
		}
	}
	success := 1.0
	if m.server.reloads.failing.Load() {
		success = 0
	}
	gauge(descReloadOK, success)
	gauge(descReloaded, float64(m.server.reloads.last.Load())/1e9)
}

// collectTokens sends what concerns tokens.
func collectTokens(st *gateway.Stats, gauge func(*prometheus.Desc, float64), counter func(*prometheus.Desc, uint64, ...string)) {
	for reason, n := range st.TokensRefused {
		counter(descTokens, n, reason)
	}
	if keys := st.KeysFetched; keys != nil {
		counter(descKeyFetches, keys.Fetched, "ok")
		counter(descKeyFetches, keys.Failed, "failed")
		gauge(descKeys, float64(keys.Keys))
		at := 0.0
		if !keys.LastSuccess.IsZero() {
			at = float64(keys.LastSuccess.UnixMilli()) / 1000
		}
		gauge(descKeysAt, at)
	}
}

// collectCompression sends what concerns permessage-deflate.
func collectCompression(st *gateway.Stats, gauge func(*prometheus.Desc, float64), counter func(*prometheus.Desc, uint64, ...string)) {
	gauge(descCompressing, float64(st.CompressedClients))
	counter(descCompressed, st.Compressed, "compressed")
	counter(descCompressed, st.CompressedLonger, "not_shorter")
	counter(descCompressBytes, st.CompressedBefore, "before")
	counter(descCompressBytes, st.CompressedAfter, "after")
	counter(descInflated, st.Inflated)
	counter(descInflateBytes, st.InflatedBefore, "before")
	counter(descInflateBytes, st.InflatedAfter, "after")
	for reason, n := range st.InflateErrors {
		counter(descInflateErrors, n, reason)
	}
}

// collectControl sends what is known of the port itself.
func (m *metrics) collectControl(gauge func(*prometheus.Desc, float64), counter func(*prometheus.Desc, uint64, ...string)) {
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
		counter(descRequests, n, method, path, strconv.Itoa(answered[i%len(answered)]))
	}
	counter(descPanics, m.server.panicked.Load(), "control")
	counter(descNotDone, m.server.late.Load(), codeDeadline)
	counter(descNotDone, m.server.overlong.Load(), codeAnswerTooLarge)
	counter(descReloads, m.server.reloads.ok.Load(), "ok")
	counter(descReloads, m.server.reloads.refused.Load(), "refused")
	renewed, failed := m.server.tls.Counts()
	counter(descControlCerts, renewed, "ok")
	counter(descControlCerts, failed, "failed")
	counter(descCertificates, m.server.callers.missing.Load(), "missing")
	counter(descCertificates, m.server.callers.wrong.Load(), "wrong")
	counter(descAudit, m.server.audit.Written(), "written")
	counter(descAudit, m.server.audit.Lost(), "lost")
	if l := m.server.listener; l != nil {
		callers, strangers := l.places.count()
		gauge(descControl, float64(callers+strangers))
		counter(descEvicted, l.places.madeRoom.Load())
		counter(descCrowded, l.places.crowded.Load())
		counter(descDenied, l.denied.Load())
		counter(descTurnedAway, l.refused.Load())
		counter(descAcceptErrors, l.failed.Load())
	}
}
