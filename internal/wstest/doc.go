// Package wstest drives the real castgate binary from tests.
//
// Build compiles the program once per test process. Start boots it on free ports;
// when the test ends, it stops the program with SIGTERM and requires exit status 0.
// A Gateway dials Clients, calls the control API, and reads /metrics and /proc.
// Clients use github.com/coder/websocket, so that a misreading of RFC 6455 cannot
// hide on both sides. Raw writes frames byte by byte, for input that no
// well-behaved client would send.
//
// Methods without a testing.TB parameter fail the test that called Start. Only that
// test's goroutine may call them unless their comment says otherwise.
package wstest
