package cluster

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/cluster/internal/message"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("castgate_cluster_"+name, help, labels, nil)
}

// The metrics of a node.
var (
	descNodes      = desc("nodes", "Nodes of the cluster as this node knows them, by state.", "state")
	descJoined     = desc("joined", "Whether this node has met the others.")
	descLease      = desc("lease_seconds", "For how long all members still count this node as alive; 0: its answers are incomplete.")
	descAge        = desc("node_age_seconds", "Time since a node was last heard.", "node")
	descLag        = desc("node_lag_seconds", "Shortest time that a message to a node and its answer took.", "node")
	descClock      = desc("node_clock_seconds", "How far a node's wall clock is ahead.", "node")
	descMessages   = desc("messages_total", "Messages between nodes, by direction and kind.", "direction", "kind")
	descBytes      = desc("bytes_total", "Bytes of these messages.", "direction", "kind")
	descRefused    = desc("messages_refused_total", "Messages of other nodes that were refused, by reason.", "reason")
	descUnsent     = desc("messages_unsent_total", "Messages that could not be sent.")
	descLate       = desc("replies_late_total", "Replies that came after their call had ended.")
	descViews      = desc("changes_total", "Changes of the cluster that this node has seen.")
	descIncomplete = desc("answers_incomplete_total", "Answers that lacked nodes.")
	descMissing    = desc("answers_missing_total", "Incomplete answers, by the node that was missing.", "node")
	descCalls      = desc("calls", "Calls that wait for other nodes.")
	descSpared     = desc("questions_spared_total", "Questions spared because the node holds none of the names.")
	descNames      = desc("names", "Names that nodes hold, as far as they are known here, by node.", "node")
	descResyncs    = desc("names_resyncs_total", "Times that names of another node were missing and asked for.")
	descHolds      = desc("changes_waiting", "Binds and joins that wait until other nodes have heard of the names.")
	descWaits      = desc("changes_waited_total", "Binds and joins that have waited for other nodes.")
	descWaited     = desc("changes_waited_seconds_total", "Total time that they have waited.")
	descExclusive  = desc("exclusive_uids", "Uids that a client of this node has exclusively.")
	descLost       = desc("link_lost_total", "Messages lost at the link to the other nodes: full, it had no room to send; unsent, NATS was away; dropped, they came and had no room.", "reason")
)

// collector makes the metrics of a node.
type collector struct{ *Node }

// Collector returns the metrics of a node, whose names begin with castgate_cluster_.
func (n *Node) Collector() prometheus.Collector { return collector{n} }

// Describe implements prometheus.Collector, as an unchecked one.
func (n collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (n collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	states, seen := map[string]int{}, map[uint16]bool{}
	for _, node := range n.Nodes() {
		states[node.State]++
		if node.State == "self" {
			gauge(descLease, node.Lease.Seconds())
			continue
		}
		if seen[node.Node] { // an earlier process with the number
			continue
		}
		seen[node.Node] = true
		number := strconv.Itoa(int(node.Node))
		gauge(descAge, node.Age.Seconds(), number)
		gauge(descLag, node.Lag.Seconds(), number)
		gauge(descClock, node.Clock.Seconds(), number)
	}
	for state, k := range states {
		gauge(descNodes, float64(k), state)
	}
	for _, kind := range message.Kinds() {
		t := &n.count.traffic[kind]
		count(descMessages, t.sent.Load(), "sent", kind.String())
		count(descMessages, t.received.Load(), "received", kind.String())
		count(descBytes, t.sentBytes.Load(), "sent", kind.String())
		count(descBytes, t.receivedBytes.Load(), "received", kind.String())
	}
	count(descUnsent, n.count.unsent.Load())
	count(descLate, n.count.late.Load())
	count(descViews, n.count.views.Load())
	count(descIncomplete, n.count.incomplete.Load())
	n.collectMaps(count)
	count(descSpared, n.count.spared.Load())
	count(descWaits, n.count.waits.Load())
	out <- prometheus.MustNewConstMetric(descWaited, prometheus.CounterValue, float64(n.count.waited.Load())/1e9)
	count(descResyncs, n.count.resyncs.Load())
	n.mu.Lock()
	if n.names != nil {
		gauge(descNames, float64(n.names.own.Len()), strconv.Itoa(int(n.self.Node)))
	}
	for m, p := range n.peers {
		if n.member(m) {
			gauge(descNames, float64(p.names.Len()), strconv.Itoa(int(m.Node)))
		}
	}
	gauge(descHolds, float64(len(n.holds.list)))
	calls, joined := len(n.calls), n.met
	n.mu.Unlock()
	n.owned.mu.Lock()
	exclusive := len(n.owned.claims)
	n.owned.mu.Unlock()
	gauge(descCalls, float64(calls))
	gauge(descExclusive, float64(exclusive))
	gauge(descJoined, float64(bit(joined)))
	if l, ok := n.link.(*Link); ok {
		full, unsent, dropped := l.Losses()
		count(descLost, full, "full")
		count(descLost, unsent, "unsent")
		count(descLost, dropped, "dropped")
	}
}

func (n collector) collectMaps(count func(*prometheus.Desc, uint64, ...string)) {
	n.count.mu.Lock()
	defer n.count.mu.Unlock()
	for reason, k := range n.count.refused {
		count(descRefused, k, reason)
	}
	for node, k := range n.count.missings {
		count(descMissing, k, strconv.Itoa(int(node)))
	}
}
