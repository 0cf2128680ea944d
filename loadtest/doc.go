// Package loadtest opens a swarm of WebSocket clients and checks every frame
// they receive.
//
// It is independent of the server that it measures: it has an epoll of its own,
// no goroutine or buffer per connection besides what crypto/tls needs for wss,
// and of this project it uses only package codec, the bytes of RFC 6455 and
// 7692. A benchmark payload contains the number of the run, a stream, its
// position in that stream, its receiver and the time at which it was due. So a
// swarm knows for each connection exactly what was lost, duplicated, reordered
// or changed, and how long it took.
//
// The clock is CLOCK_MONOTONIC: sender and swarm must run on the same machine.
package loadtest
