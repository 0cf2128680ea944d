// Package stress drives the real castgate binary through what the open internet
// does to it, and checks with exact counts that it kept its promises: what was
// promised arrives, once and in order, the counters of /metrics equal what the
// clients saw, and what the gateway held is given back.
//
// A scenario is a gateway process of its own on which a round is played again
// and again until its share of the time is over. The clients are those of the
// end-to-end tests (internal/wstest): coder/websocket and raw sockets. Built
// with the race detector, a run has a gateway with it; a data race in either is
// a failure.
//
// The scenarios fairness and fair-worker play attacks in random order. With
// STRESS_ATTACK only those are played whose names contain it, each once; with
// STRESS_CONNS each has so many connections; with STRESS_REPORT set, what the
// bystanders noticed and what the gateway spent is printed to stderr.
package stress
