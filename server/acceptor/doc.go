// Package acceptor listens for clients and hands their sockets over.
//
// An [Endpoint] is a listener as people set it: a scheme and an address. Each has an
// [Acceptor], a goroutine of its own that waits for sockets and gives each to its owner by
// one call. No error of accept ends it, and when it is to end, it first takes all sockets
// that wait in the kernel's queue.
package acceptor
