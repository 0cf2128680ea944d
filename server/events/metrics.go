package events

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/events/internal/post"
	"castgate/server/gateway"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("castgate_events_"+name, help, labels, nil)
}

var (
	descHappened    = desc("total", "Events written to the queue.", "type")
	descQueueBytes  = desc("queue_bytes", "Bytes of events that a subscriber has yet to accept.")
	descStoreBytes  = desc("store_bytes", "Bytes of the queue's files, delivered events and known clients included.")
	descSegments    = desc("store_segments", "Files of the queue.")
	descStuck       = desc("store_stuck", "1 while the disk refuses events.")
	descWriteErrors = desc("store_write_errors_total", "Failed attempts to write events.")
	descInbox       = desc("inbox_bytes", "Bytes of events that are not written yet.")
	descOverflow    = desc("overflowed_total", "Events lost before they could be written because the disk refused them.")
	descDamaged     = desc("damaged_total", "Records of the queue that the disk has lost, as far as their number is known.")
	descUntold      = desc("clients_untold_total", "Clients that are not reported because the disk refused their events.")
	descRefused     = desc("messages_refused_total", "Messages that were refused; their clients were closed.")
	descHolds       = desc("holds_total", "Times reading from a client stopped because the queue was full.")
	descHeld        = desc("held_clients", "Clients that are not being read until there is room in the queue.")
	descClients     = desc("clients", "Clients reported as connected and not yet as disconnected.")
	descUIDs        = desc("uids", "Uids whose presence is tracked.")
	descDead        = desc("dead", "Events set aside because a subscriber does not accept them.")
	descDeadDropped = desc("dead_dropped_total", "Events set aside that were dropped because there were too many.")

	descAttempts = desc("attempts_total", "Requests to subscribers.", "url", "outcome")
	descTold     = desc("delivered_total", "Events that a subscriber has accepted.", "url")
	descLost     = desc("lost_total", "Events that a subscriber missed because of the quota.", "url")
	descSetAside = desc("set_aside_total", "Events that were set aside.", "url")
	descFailing  = desc("failing_lanes", "Lanes, of 16, whose last request was not accepted.", "url")
	descPaused   = desc("paused", "1 while nothing is sent because the subscriber answered 410.", "url")
	descBehind   = desc("oldest_seconds", "Age of the oldest event that the subscriber has yet to accept.", "url")
	descWaiting  = desc("waiting_bytes", "Bytes of events that the subscriber has yet to accept.", "url")
	descLatency  = desc("request_duration_seconds", "How long requests took.", "url")
)

// Describe implements prometheus.Collector as an unchecked collector: URLs come and
// go.
func (e *Events) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Any goroutine.
func (e *Events) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	c := &e.count
	for t := range numTypes {
		counter(descHappened, c.happened[t].Load(), t.String())
	}
	unwritten := e.unwritten()
	gauge(descQueueBytes, float64(e.store.SizeFrom(e.lowest())+unwritten))
	gauge(descStoreBytes, float64(e.store.Size()))
	gauge(descSegments, float64(e.store.Segments()))
	gauge(descStuck, oneIf(c.stuck.Load()))
	counter(descWriteErrors, c.writeErrors.Load())
	gauge(descInbox, float64(unwritten))
	counter(descOverflow, c.overflowed.Load())
	counter(descDamaged, c.damaged.Load())
	counter(descUntold, c.untold.Load())
	counter(descRefused, c.refused.Load())
	counter(descHolds, c.holds.Load())
	gauge(descHeld, float64(e.held.len()))
	gauge(descClients, float64(c.clients.Load()))
	gauge(descUIDs, float64(c.uids.Load()))
	dead, dropped := e.dead.len()
	gauge(descDead, float64(dead))
	counter(descDeadDropped, dropped)
	for _, s := range *e.subscribers.Load() {
		url := shown(s.url)
		for o := range post.NumOutcomes {
			counter(descAttempts, s.count.attempts[o].Load(), url, o.String())
		}
		counter(descTold, s.count.told.Load(), url)
		counter(descLost, s.count.lost.Load(), url)
		counter(descSetAside, s.count.dead.Load(), url)
		gauge(descFailing, float64(s.count.failing.Load()), url)
		gauge(descPaused, oneIf(s.paused.Load()), url)
		p := s.place()
		lowest := p.lowest()
		gauge(descWaiting, float64(e.store.SizeFrom(lowest)+unwritten), url)
		gauge(descBehind, e.age(lowest).Seconds(), url)
		out <- s.count.latency.metric(descLatency, url)
	}
}

// Backlog is how far the telling is behind. Any goroutine.
func (e *Events) Backlog() gateway.Backlog {
	dead, _ := e.dead.len()
	b := gateway.Backlog{
		QueueBytes: e.store.SizeFrom(e.lowest()) + e.unwritten(), Lost: e.count.overflowed.Load() + e.count.damaged.Load(), Dead: dead,
		Held: e.held.len(), Stuck: e.count.stuck.Load(),
	}
	for _, s := range *e.subscribers.Load() {
		b.Lost += s.count.lost.Load()
	}
	return b
}

// unwritten is how many bytes wait in memory for the disk.
func (e *Events) unwritten() int64 { return int64(e.inbox.waiting()) + e.count.unwritten.Load() }

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// age is how old the first event from a number on is; 0 if there is none.
func (e *Events) age(from uint64) time.Duration {
	for r := e.store.NewReader(from); ; {
		rec, ok, err := r.Next()
		if err != nil || !ok {
			return 0
		}
		if rec.Kind != kindEvent {
			continue
		}
		if h, _, err := parseHeader(rec.Payload); err == nil {
			return max(0, e.now().Sub(time.UnixMicro(h.at)))
		}
	}
}

func (l *latencies) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	buckets, n := map[float64]uint64{}, uint64(0)
	for i, bound := range latencyBounds {
		n += l.buckets[i].Load()
		buckets[bound] = n
	}
	n += l.buckets[len(latencyBounds)].Load()
	return prometheus.MustNewConstHistogram(d, n, time.Duration(l.nanos.Load()).Seconds(), buckets, labels...)
}
