// Package gatewayworker lets PHP code written for GatewayWorker use this gateway
// without changes: GatewayClient, the Gateway class and BusinessWorker
// (docs/gatewayworker-protocol.md). It uses the server only through package gateway
// and does not know its event loops.
//
// The terms: a Front is the whole. Its inner loop, one goroutine with an epoll,
// owns the inner listener and every inner connection. Workers are the inner
// connections that have asked for events. The event queue is the boundary between
// the server's event loops and the inner loop. The Register tells PHP the addresses
// of gateways, and the joiner registers us at Registers that run elsewhere.
package gatewayworker
