package gatewayworker

import (
	"github.com/prometheus/client_golang/prometheus"

	wire "castgate/codec/gatewayworker"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("castgate_gatewayworker_"+name, help, labels, nil)
}

var (
	descConnections  = desc("connections", "Inner connections open.")
	descWorkers      = desc("workers", "Workers attached.")
	descStuck        = desc("workers_stuck", "Attached workers that do not read their events.")
	descStalls       = desc("worker_stalls_total", "Times a worker stopped reading its events.")
	descWaiters      = desc("event_queue_clients", "Clients whose events wait for workers.")
	descNetworks     = desc("event_queue_networks", "Networks, by IPv4 address or IPv6 /64, whose clients' events wait for workers.")
	descHeldClients  = desc("held_clients", "Clients that are not being read until workers have read their events.")
	descHolds        = desc("holds_total", "Times reading from a client stopped until workers had read its events.")
	descRefusals     = desc("messages_refused_total", "Messages that could not reach a worker; their clients were closed.", "reason")
	descBound        = desc("bound_clients", "Clients that have a worker.")
	descHeld         = desc("held_bytes", "Bytes of incomplete frames.")
	descWaiting      = desc("waiting_bytes", "Bytes of replies and events that wait for inner connections.")
	descQueued       = desc("event_queue_bytes", "Bytes of events that wait for workers.")
	descAccepted     = desc("accepted_total", "Inner connections accepted.")
	descAcceptErrors = desc("accept_errors_total", "Errors of accept on the inner endpoint.")
	descAttached     = desc("attached_total", "Workers that have attached, in total.")
	descBytesIn      = desc("received_bytes_total", "Bytes read from inner connections.")
	descBytesOut     = desc("sent_bytes_total", "Bytes written to inner connections.")
	descCommands     = desc("commands_total", "Commands received.", "command")
	descIgnored      = desc("ignored_total", "Commands without effect.", "reason")
	descCloses       = desc("closes_total", "Inner connections ended.", "reason")
	descEvents       = desc("events_total", "Events handed to workers.")
	descEventDrops   = desc("events_dropped_total", "Events dropped.", "reason")
	descUnserved     = desc("unserved_total", "Clients and connections refused or closed because no worker was attached.")
	descBusyWaits    = desc("busy_waits_total", "Times a command waited because the event loops had no room.")
	descFullWaits    = desc("full_waits_total", "Times new connections waited in the kernel because there was no room for them.")

	descAudit = desc("audit_records_total", "Records of the audit log: kicks and refused keys.", "result")

	descRegisterConns    = desc("register_connections", "Connections to the embedded Register.")
	descRegisterGateways = desc("register_gateways", "Gateways registered at the embedded Register, without this one.")
	descRegisterWorkers  = desc("register_workers", "Workers and API clients connected to the embedded Register.")
	descRegisterAccepted = desc("register_accepted_total", "Connections that the embedded Register accepted.")
	descRegisterErrors   = desc("register_accept_errors_total", "Errors of accept on the embedded Register.")
	descRegisterTold     = desc("register_broadcasts_total", "Changes of the gateway list that were sent to workers.")
	descRegisterRefused  = desc("register_refused_total", "Connections that the embedded Register closed.", "reason")

	descJoined     = desc("joined_registers", "Other Registers at which this gateway is registered.")
	descJoinDials  = desc("join_dials_total", "Dials to other Registers.")
	descJoinErrors = desc("join_dial_errors_total", "Failed dials to other Registers.")
	descJoinCloses = desc("join_closes_total", "Connections to other Registers that ended.")
	descJoinPings  = desc("join_pings_total", "Pings to other Registers.")
)

// Describe implements prometheus.Collector as an unchecked collector: labels come
// from lists.
func (f *Front) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. Any goroutine.
func (f *Front) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	c := &f.count
	gauge(descConnections, c.connections.Load())
	gauge(descWorkers, c.workers.Load())
	gauge(descBound, f.queue.bound.Load())
	gauge(descHeld, c.held.Load())
	gauge(descWaiting, c.waiting.Load())
	bytes, clients, held := f.queue.waiting()
	gauge(descNetworks, int64(f.queue.networksWaiting()))
	gauge(descQueued, int64(bytes))
	gauge(descWaiters, int64(clients))
	gauge(descHeldClients, int64(held))
	gauge(descStuck, c.stuck.Load())
	counter(descStalls, c.stalls.Load())
	counter(descHolds, c.holds.Load())
	for i, name := range refuseNames {
		counter(descRefusals, c.refusals[i].Load(), name)
	}
	counter(descAccepted, c.accepted.Load())
	counter(descAcceptErrors, c.acceptErrors.Load())
	counter(descAttached, c.attaches.Load())
	counter(descBytesIn, c.bytesIn.Load())
	counter(descBytesOut, c.bytesOut.Load())
	counter(descEvents, c.events.Load())
	counter(descUnserved, c.unserved.Load())
	counter(descBusyWaits, c.busyWaits.Load())
	counter(descFullWaits, c.fullWaits.Load())
	counter(descAudit, f.audit.Written(), "written")
	counter(descAudit, f.audit.Lost(), "lost")
	for i := range c.commands {
		if n := c.commands[i].Load(); n > 0 {
			counter(descCommands, n, wire.Command(i).String())
		}
	}
	for i, name := range ignoreNames {
		counter(descIgnored, c.ignored[i].Load(), name)
	}
	for i, name := range closeNames {
		counter(descCloses, c.closes[i].Load(), name)
	}
	for i, name := range dropNames {
		counter(descEventDrops, c.eventDrops[i].Load(), name)
	}
	f.collectRegisters(gauge, counter)
}

func (f *Front) collectRegisters(gauge func(*prometheus.Desc, int64), counter func(*prometheus.Desc, uint64, ...string)) {
	if f.register != nil {
		s := f.register.Stats()
		gauge(descRegisterConns, int64(s.Connections))
		gauge(descRegisterGateways, int64(s.Gateways))
		gauge(descRegisterWorkers, int64(s.Workers))
		counter(descRegisterAccepted, s.Accepted)
		counter(descRegisterErrors, s.AcceptErrors)
		counter(descRegisterTold, s.Broadcasts)
		for reason, n := range s.Refused {
			counter(descRegisterRefused, n, reason)
		}
	}
	if f.joiner != nil {
		s := f.joiner.Stats()
		gauge(descJoined, int64(s.Connected))
		counter(descJoinDials, s.Dials)
		counter(descJoinErrors, s.DialErrors)
		counter(descJoinCloses, s.Closes)
		counter(descJoinPings, s.Pings)
	}
}
