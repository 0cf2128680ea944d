// Package frames has encoded messages: what loops write to sockets. A message is encoded
// once, by whoever sends it, for all its receivers: as a WebSocket frame, compressed for
// those who have agreed on that, and as the bytes of listeners without handshakes.
package frames
