package codec

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// largeHeads are good heads of nearly a size, one thing in them repeated.
var largeHeads = map[string]string{
	"fields":           "a:\r\n",
	"forwarded":        "Forwarded: for=10.0.0.2;by=\"_x\\\"\", for=unknown\r\n",
	"forwarded for":    "X-Forwarded-For: 1.1.1.1, 10.0.0.2\r\n",
	"upgrade":          "Upgrade: a, b\r\n",
	"extensions":       "Sec-WebSocket-Extensions: a; b=\"\\c\", permessage-deflate; server_max_window_bits=99\r\n",
	"protocols":        "Sec-WebSocket-Protocol: a, b, c\r\n",
	"cookies":          "Cookie: a=b; c=d\r\n",
	"one cookie":       "Cookie: |a=b; ",
	"one list":         "Connection: Upgrade|,a",
	"one protocol":     "Sec-WebSocket-Protocol: a|, b",
	"one extension":    "Sec-WebSocket-Extensions: a|; b=\"\\c\"",
	"many extensions":  "Sec-WebSocket-Extensions: a|, permessage-deflate; a",
	"one forwarded":    "Forwarded: for=10.0.0.2|, for=10.0.0.2",
	"one unquoted":     "Forwarded: for=10.0.0.2, a=\"|\\\"",
	"one x-forwarded":  "X-Forwarded-For: 10.0.0.2|,10.0.0.2",
	"variables":        "?|a=b&",
	"escapes in paths": "|%41",
}

func largeHead(shape string, size int) []byte {
	fixed := string(AppendRequest(nil, "a", "/%s", rfcKey, "%s"))
	begin, item, once := strings.Cut(shape, "|")
	if !once {
		return fmt.Appendf(nil, fixed, "", strings.Repeat(shape, (size-len(fixed))/len(shape)))
	}
	all := begin + strings.Repeat(item, (size-len(fixed)-len(begin))/len(item))
	if strings.Contains(begin, ": ") {
		return fmt.Appendf(nil, fixed, "", all+"\r\n")
	}
	return fmt.Appendf(nil, fixed, all, "")
}

// readHeadWhole does with a head what a server may do with it.
func readHeadWhole(t testing.TB, u *Upgrader, dst, head []byte) {
	if _, result := u.Upgrade(dst, head); result != HandshakeOK {
		t.Fatalf("%v: %.200q", result, head)
	}
	for name, value := range Fields(head) {
		if IsField(name, "cookie") {
			CookieValue(value, "none")
		}
	}
	QueryValue(Query(head), "none")
	ForwardedFor(head, netip.AddrPort{}, trustTen)
	IsProbe(head)
}

func BenchmarkLargeHeads(b *testing.B) {
	u := Upgrader{Compress: true, Subprotocol: "none", CheckOrigin: goodOrigin}
	dst := make([]byte, 0, 1024)
	for name, shape := range largeHeads {
		for _, size := range []int{8 << 10, 32 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				head := largeHead(shape, size)
				b.SetBytes(int64(len(head)))
				b.ReportAllocs()
				for b.Loop() {
					readHeadWhole(b, &u, dst, head)
				}
			})
		}
	}
}
