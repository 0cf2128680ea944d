// Package transport is the TLS of client connections: handshakes off the event loops,
// records on them, and the certificates.
//
// A loop gives each connection a [Conn] and feeds it what the peer sends. After a
// complete ClientHello, a goroutine of [Handshakes] begins: a limited number of them at
// once, on a limited number of processors, on threads that the loops take precedence
// over. It reports to the loop through its [Owner]. When it has ended, the loop decrypts
// and encrypts with its [Records], and the connection has no goroutine.
package transport
