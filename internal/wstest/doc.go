// Package wstest drives the real castgate binary from tests.
//
// Build compiles the program once per test process; Start boots it on free
// ports and, when the test ends, stops it with SIGTERM and requires exit
// status 0. A Gateway dials Clients (github.com/coder/websocket, so that one
// misreading of RFC 6455 cannot hide on both sides), calls the control API,
// reads /metrics and what /proc says of the process. Raw speaks RFC 6455 by
// hand, for the bytes that no well-behaved client would send.
//
// Methods that take no testing.TB fail the test that called Start; they belong
// on that test's goroutine unless their comment says otherwise.
package wstest
