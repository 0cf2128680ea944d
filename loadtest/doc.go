// Package loadtest plays scenarios against a server with a swarm of clients, and reports
// what it cost and what went wrong.
//
// It is independent of the server that it measures: package swarm has an epoll of its
// own, and of this project it uses only package codec, the bytes of RFC 6455 and 7692. A
// benchmark payload contains the number of the run, a stream, its position in that
// stream, its receiver and the time at which it was due. So for each connection it is
// known exactly what was lost, duplicated, reordered or changed, and how long it took.
//
// The clock is CLOCK_MONOTONIC: sender and swarm must run on the same machine.
package loadtest
