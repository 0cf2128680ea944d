package codec

import "testing"

func TestSmoke(t *testing.T) {
	key := [24]byte([]byte("dGhlIHNhbXBsZSBub25jZQ=="))
	req := AppendRequest(nil, "h:1", "/x?y", key, "Origin: http://a\r\n")
	var u Upgrader
	a, r := u.Upgrade(nil, req)
	if r != HandshakeOK {
		t.Fatal(r, string(a))
	}
	if err := CheckResponse(a, key); err != nil {
		t.Fatal(err, string(a))
	}
	b := AppendMaskedFrame(nil, OpText, []byte("héllo"), [4]byte{1, 2, 3, 4})
	var p Parser
	n, ev, err := p.Next(b, 100)
	if n != len(b) || err != nil || string(ev.Data) != "héllo" || !ev.First || !ev.Last || !p.AtRest() {
		t.Fatal(n, ev, err)
	}
}
