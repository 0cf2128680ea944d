// Package clientid makes the ids by which the world knows clients, and finds the
// clients that they name: ids of our own, and those of GatewayWorker.
package clientid
