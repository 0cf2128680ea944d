package admission

import (
	"bytes"
	"strings"
	"testing"

	"castgate/codec"
)

// Whatever a head contains that is let in, a token is a part of one of its lines. What is
// selected was offered, in a form that can be part of the answer.
func FuzzFindToken(f *testing.F) {
	for _, fields := range []string{
		"Sec-WebSocket-Protocol: castgate, bearer.a.b.c\r\n", "Sec-WebSocket-Protocol: bearer.a\r\nSec-WebSocket-Protocol: bearer.b, castgate\r\n",
		"Cookie: a=1; tok=\"x.y.z\"\r\n", "Sec-WebSocket-Protocol: bearer., bearer.\r\n", "Cookie: tok=\r\n",
		"Sec-WebSocket-Protocol: bearer. 0\r\n",
	} {
		f.Add(fields, "?tok=q.q.q&tok=2")
	}
	j := &JWT{Cookie: "tok", Query: "tok"}
	f.Fuzz(func(t *testing.T, fields, query string) {
		head := []byte("GET /" + query + strings.TrimPrefix(upgradeRequest, "GET /"))
		head = append(head[:len(head)-2], fields+"\r\n"...)
		var u codec.Upgrader
		answer, result := u.Upgrade(nil, head)
		if result != codec.HandshakeOK {
			return
		}
		c := findToken(head, j)
		if bytes.ContainsAny(c.token, "\r\n") || !bytes.Contains(head, c.token) {
			t.Fatalf("token %q", c.token)
		}
		if c.bad || c.several || c.selected == nil {
			return
		}
		if string(c.selected) != Subprotocol && !bytes.HasPrefix(c.selected, []byte(bearerPrefix)) || !codec.IsToken(c.selected) || !bytes.Contains(head, c.selected) {
			t.Fatalf("selected %q", c.selected)
		}
		answer = codec.AddField(answer, "Sec-WebSocket-Protocol", c.selected)
		if n := bytes.Count(answer, []byte("\r\n")); n != 6 || codec.HandshakeEnd(answer, 0) != len(answer) {
			t.Fatalf("the answer has %d lines: %q", n, answer)
		}
	})
}
