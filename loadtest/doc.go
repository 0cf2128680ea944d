// Package loadtest holds a swarm of WebSocket clients and checks every frame
// they receive.
//
// It is independent of the server it measures: an epoll of its own, no
// goroutine and no buffer per connection beside what crypto/tls keeps for one
// of wss, and of this project only package codec, the bytes of RFC 6455 and
// 7692. A benchmark payload carries the number of the run, a stream, its place
// in that stream, its receiver and the time it was handed over for sending, so
// that a swarm knows of each connection exactly what was lost, doubled,
// reordered or changed, and how long it took.
//
// The clock is CLOCK_MONOTONIC: sender and swarm must run on one machine.
package loadtest
