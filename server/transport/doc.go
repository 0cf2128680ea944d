// Package transport is the TLS of client connections: handshakes off the event loops,
// records on them, and the certificates.
//
// A loop gives each connection a [Conn] and feeds it what the peer sends. After a
// complete ClientHello, a coroutine of [Handshakes] begins: a limited number of them at
// once. Workers make them go on, on a limited number of processors, on threads that the
// loops take precedence over, and write what they have to say; the last step of TLS 1.3,
// which takes microseconds, is the loop's. Its [Owner] or [Fed] tells the end. Then the
// loop decrypts and encrypts with its [Records], and the connection has no goroutine.
package transport
