// Package message is the language in which the nodes of a cluster speak: what a
// message holds, its bytes, and the seal that shows that its sender has the secret.
//
// It has no sockets, no clock and no state.
package message
