package main

import "fmt"

// query is one set of lines.
type query struct{ expr, legend string }

// panel is a picture of lines with one unit, as Grafana calls it.
type panel struct {
	title, help, unit string
	queries           []query
}

// of selects the instances that the reader has chosen.
const of = `{instance=~"$instance"}`

// gauge is a number as it is, summed over instances.
func gauge(metric, legend string) query { return query{"sum(" + metric + of + ")", legend} }

// most is the largest of the instances' numbers.
func most(metric, legend string) query { return query{"max(" + metric + of + ")", legend} }

// rate is a counter per second.
func rate(metric, legend string) query {
	return query{"sum(rate(" + metric + of + "[$__rate_interval]))", legend}
}

// rateBy is a counter per second for each value of a label.
func rateBy(metric, label string) query {
	return query{fmt.Sprintf("sum by (%s) (rate(%s%s[$__rate_interval])) > 0", label, metric, of), "{{" + label + "}}"}
}

// quantiles are the median and the slowest hundredth of a histogram.
func quantiles(metric string) []query {
	q := func(p, legend string) query {
		return query{fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket%s[$__rate_interval])))", p, metric, of), legend}
	}
	return []query{q("0.5", "median"), q("0.99", "99 %"), q("0.999", "99.9 %")}
}

// rows are the dashboard, from what is asked most often to what explains it.
var rows = []struct {
	title  string
	panels []*panel
}{
	{"Clients", []*panel{
		{"Connections", "Clients whose handshake has finished, and the limit of open sockets.", "short", []query{
			gauge("castgate_connections", "clients"), gauge("castgate_sockets", "sockets"), gauge("castgate_max_connections", "limit")}},
		{"Names", "Uids and groups with at least one client.", "short", []query{
			gauge("castgate_uids", "uids"), gauge("castgate_groups", "groups")}},
		{"Handshakes", "Per second, by how they ended. docs/handshakes.md explains each.", "ops", []query{rateBy("castgate_handshakes_total", "result")}},
		{"Ends", "Connections that ended per second, by reason.", "ops", []query{rateBy("castgate_closes_total", "reason")}},
		{"Messages from clients", "Per second.", "ops", []query{rate("castgate_messages_received_total", "messages"), rate("castgate_pings_sent_total", "pings sent")}},
		{"Traffic", "Bytes per second on client sockets.", "Bps", []query{rate("castgate_sent_bytes_total", "sent"), rate("castgate_received_bytes_total", "received")}},
	}},
	{"Pushes", []*panel{
		{"Pushes", "Per second. Unmatched ones found nobody; refused ones were answered 503.", "ops", []query{
			rate("castgate_pushes_total", "accepted"), rate("castgate_pushes_unmatched_total", "unmatched"), rate("castgate_pushes_refused_total", "refused")}},
		{"Deliveries", "Per second, by outcome: one for each push and client.", "ops", []query{rateBy("castgate_deliveries_total", "outcome")}},
		{"From request to last write", "A client that reads slowly delays the last write.", "s", quantiles("castgate_push_seconds")},
		{"Waiting", "Deliveries that have not ended, and their bytes.", "short", []query{gauge("castgate_deliveries_queued", "deliveries")}},
		{"Bytes waiting", "Bytes queued for client sockets.", "bytes", []query{gauge("castgate_queue_bytes", "bytes")}},
		{"Compression", "Bytes per second of pushes before and after compression.", "Bps", []query{rateBy("castgate_compress_bytes_total", "side")}},
	}},
	{"Event loops and process", []*panel{
		{"A loop's turn", "How long a turn takes. While one runs, nobody else on the loop is served.", "s", quantiles("castgate_loop_turn_seconds")},
		{"Loop lag", "How late the slowest loop was for its last tick.", "s", []query{most("castgate_loop_lag_seconds", "slowest loop")}},
		{"Panics", "Defects that castgate has survived, per second. Please report them.", "ops", []query{rateBy("castgate_panics_total", "part")}},
	}},
	{"Control API", []*panel{
		{"Requests", "Per second, by path.", "ops", []query{rateBy("castgate_control_requests_total", "route")}},
		{"Answers", "Per second, by status.", "ops", []query{rateBy("castgate_control_requests_total", "status")}},
		{"Duration", "From a request's last byte to its answer.", "s", quantiles("castgate_control_request_seconds")},
		{"Connections", "Open connections of the control port.", "short", []query{gauge("castgate_control_connections", "open")}},
		{"Turned away", "Per second: no room, all connections busy, a network that is not allowed.", "ops", []query{
			rate("castgate_control_refused_total", "no room"), rate("castgate_control_crowded_total", "busy"), rate("castgate_control_denied_total", "not allowed")}},
		{"Log and audit", "Lines and records that were lost per second because nobody read them.", "ops", []query{
			rate("castgate_log_lines_dropped_total", "log lines"), rate("castgate_audit_records_dropped_total", "audit records")}},
	}},
	{"Events to backends", []*panel{
		{"Oldest event", "Age of the oldest event that a subscriber has yet to accept.", "s", []query{
			{"max by (url) (castgate_events_oldest_seconds" + of + ")", "{{url}}"}}},
		{"Waiting", "Bytes of events that a subscriber has yet to accept.", "bytes", []query{
			{"max by (url) (castgate_events_waiting_bytes" + of + ")", "{{url}}"}}},
		{"Requests", "Per second, by outcome.", "ops", []query{rateBy("castgate_events_attempts_total", "outcome")}},
		{"Lost and set aside", "Events per second that a subscriber missed because of the quota.", "ops", []query{
			rate("castgate_events_lost_total", "lost"), rate("castgate_events_set_aside_total", "set aside"), rate("castgate_events_overflowed_total", "disk too slow")}},
	}},
	{"Cluster", []*panel{
		{"Nodes", "By state, as each node sees them.", "short", []query{{"max by (state) (castgate_cluster_nodes" + of + ")", "{{state}}"}}},
		{"Messages", "Between nodes, per second.", "ops", []query{rateBy("castgate_cluster_messages_total", "kind")}},
		{"Answers that are missing", "Per second.", "ops", []query{rate("castgate_cluster_answers_missing_total", "missing")}},
	}},
}
