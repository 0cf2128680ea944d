// Package gateway is the language that the fronts and the server share: verbs
// and their values, errors, limits, statistics, and events.
//
// A front turns requests into calls of [Gateway]: the control port those of
// backends, the GatewayWorker front those of PHP, which also needs
// [GatewayWorker]. The server answers them for the clients of one node; several
// nodes could answer them through the same interface. [Events] goes the other
// way.
//
// The package holds no state, starts nothing and imports nothing of ours. A
// front imports it and not the server; cmd/castgate joins the two.
package gateway
