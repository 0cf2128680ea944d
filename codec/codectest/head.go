// Package codectest makes the bytes of clients in tests.
package codectest

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// Upgrade is a good head.
const Upgrade = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2FzdGdhdGUgcmVhZG1lIQ==\r\n\r\n"

// Head is a good head of so many bytes. fields are more lines.
func Head(size int, fields string) []byte {
	head := strings.TrimSuffix(Upgrade, "\r\n") + fields + "Cookie: s="
	return []byte(head + strings.Repeat("c", size-len(head)-len("\r\n\r\n")) + "\r\n\r\n")
}

// TextMessages are text messages of a client, n of them.
func TextMessages(n, size int) (b []byte) {
	for i := range n {
		payload := fmt.Appendf(nil, "%d:%s", i, strings.Repeat("m", size))
		b = codec.AppendMaskedHeader(b, ws.OpText, true, len(payload), [4]byte{})
		b = append(b, payload...)
	}
	return b
}
