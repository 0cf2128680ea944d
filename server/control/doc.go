// Package control is the HTTP control port: it turns requests of backends into
// calls of [gateway.Gateway] and knows nothing of client connections.
//
// A request goes fasthttp -> Server.handle -> route -> auth -> verb. A verb is
// one operation of the control API: it takes a decoded [wire.Command], calls
// one method of the gateway and appends the answer. The same verbs serve single
// requests and /v1/batch. Every error leaves as application/problem+json with a
// status from one table (problem.go), which the OpenAPI document shares.
//
// Connections, from the listening socket up to HTTP, are the business of
// internal/callers, numbers that of internal/statistics; who may make requests
// is the business of package access.
//
// # Ownership
//
// A call holds what one request needs and is reused by a later one; it belongs
// to the goroutine of its connection. Strings passed to the gateway point into
// the request's buffers: the gateway copies what it keeps, and listings, which
// are written after the handler has returned, clone theirs.
package control
