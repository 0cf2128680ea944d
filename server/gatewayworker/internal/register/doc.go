// Package register is both sides of GatewayWorker's Register, which tells workers and
// PHP code where the gateways are (docs/gatewayworker-protocol.md section 1): Server is
// the Register that is embedded in a gateway, Joiner registers a gateway at others.
package register
