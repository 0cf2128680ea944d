// Package transport runs TLS handshakes off the event loops.
//
// A loop feeds a [Handshake] what its peer sends. Once that is a whole
// ClientHello, a goroutine of [Handshakes] begins: at most so many at once, on so
// many processors, on threads that the loops go before. What it has to tell the
// loop goes through its [Owner].
package transport
