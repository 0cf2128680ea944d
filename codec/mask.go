package codec

import "github.com/gobwas/ws"

// Unmask applies the mask to p in place (RFC 6455 section 5.3); a second time
// takes it off again, so it masks as well. pos is the offset of p[0] in the
// frame's payload, not negative.
func Unmask(p []byte, mask [4]byte, pos int) {
	ws.Cipher(p, mask, pos)
}
