// Package gatewayworker lets PHP code that was written for GatewayWorker use
// this gateway as it is: GatewayClient, the Gateway class and BusinessWorker
// (docs/gatewayworker-protocol.md). It speaks to the server in
// the language of package gateway only and knows nothing of its event loops.
//
// The nouns: a Front is all of it. Its inner loop, one goroutine with an epoll,
// owns the inner listener and every inner connection; workers are those of them
// that have asked for events. The event queue is the border between the
// server's event loops and the inner loop. The register tells PHP where we are,
// the joiner tells Registers that run elsewhere.
package gatewayworker
