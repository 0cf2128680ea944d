// Package callers is the control port below HTTP: its listening socket, the
// connections of callers, and who holds a place among them. It knows nothing of
// requests, but for the answers to connections that send none.
//
// A connection comes in by the gate (the socket, which can be left to another
// process), gets write deadlines piece by piece (steadyConn) and TLS
// (secureConn), and then one of the places: a stranger's first, and a caller's
// with its first authorized request. Config says how many places there are, the
// HTTP server above says what each connection is doing (Become, LetIn, KeepOut).
package callers
