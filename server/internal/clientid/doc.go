// Package clientid makes client ids and finds the clients that they name:
// castgate's own ids and those of GatewayWorker.
package clientid
