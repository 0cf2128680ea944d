package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

// padded is a good head of so many bytes. fields are more lines.
func padded(size int, fields string) []byte {
	head := strings.TrimSuffix(upgradeRequest, "\r\n") + fields + "Cookie: s="
	return []byte(head + strings.Repeat("c", size-len(head)-len("\r\n\r\n")) + "\r\n\r\n")
}

// textMessages are text messages of a client, n of them.
func textMessages(n, size int) (b []byte) {
	for i := range n {
		payload := fmt.Appendf(nil, "%d:%s", i, strings.Repeat("m", size))
		b = codec.AppendMaskedHeader(b, ws.OpText, true, len(payload), [4]byte{})
		b = append(b, payload...)
	}
	return b
}

// socketPair returns a socket as accept does, and its peer.
func socketPair(t *testing.T) (fd, peer int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	return pair[0], pair[1]
}
