// Package stress drives the real castgate binary through what happens on the open
// internet, and checks with exact counts that it keeps its promises: what was
// promised arrives, once and in order; the counters of /metrics equal what the
// clients saw; and the gateway releases what it held.
//
// A scenario has a gateway process of its own, on which it plays a round again and
// again until its share of the time is over. The clients are those of the
// end-to-end tests (internal/wstest): coder/websocket and raw sockets. If the
// program is built with the race detector, so is the gateway; a data race in either
// is a failure.
//
// The scenarios fairness and fair-worker play attacks in random order.
// STRESS_ATTACK selects those whose names contain it, and plays each once.
// STRESS_CONNS sets the number of connections of each, of the scenario told, and of a hook storm;
// STRESS_EVENTS that of the events of backlog. STRESS_REPORT prints to
// stderr what the bystanders noticed and what the gateway used.
package stress
