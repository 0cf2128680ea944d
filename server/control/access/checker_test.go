package access

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"testing"
)

// head is the header of a request.
type head struct {
	http.Header
	host string
}

func (h head) Peek(name string) []byte { return []byte(h.Get(name)) }
func (h head) Host() []byte            { return []byte(h.host) }

func TestCheck(t *testing.T) {
	c := NewChecker(Access{
		Keys:       []string{"first", "second"},
		ScopedKeys: []Key{{Name: "backend", Scopes: ScopePush, Hash: sha256.Sum256([]byte("third"))}},
	})
	if c.Keys() != 3 {
		t.Errorf("%d keys", c.Keys())
	}
	for _, tt := range []struct{ field, value, name string }{
		{"Authorization", "Bearer first", "control-key-1"},
		{"Authorization", "bearer  second ", "control-key-2"},
		{"X-API-Key", "third", "backend"},
		{"X-API-Key", "thir", ""},
		{"Authorization", "Basic first", ""},
		{"Authorization", "Bearer ", ""},
		{"Origin", "https://a.example", ""},
	} {
		key, err := c.Check(head{http.Header{http.CanonicalHeaderKey(tt.field): {tt.value}}, "evil.example"}, true)
		if (err == nil) != (tt.name != "") || err == nil && key.Name != tt.name {
			t.Errorf("%s: %s: %+v, %v, want %q", tt.field, tt.value, key, err, tt.name)
		}
	}
}

// Without keys nobody is asked for one, but pages in a browser get nowhere.
func TestCheckWithoutKeys(t *testing.T) {
	c := NewChecker(Access{})
	for host, local := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:7273": true, "localhost:7273": true, "[::1]": true, "a.localhost": true, "control": true, "": true,
		"evil.example": false, "127.0.0.1.evil.example": false, "evil.localhost.example": false, "[evil.example]": false,
	} {
		if _, err := c.Check(head{http.Header{}, host}, true); (err == nil) != local {
			t.Errorf("%q on a loopback address: %v", host, err)
		}
		if key, err := c.Check(head{http.Header{}, host}, false); err != nil || key.Scopes != AllScopes {
			t.Errorf("%q elsewhere: %v", host, err)
		}
		if _, err := c.Check(head{http.Header{"Origin": {"https://a.example"}}, host}, false); err == nil {
			t.Errorf("%q: a page was let in", host)
		}
	}
}

// Keys of the same name are told apart in audit records.
func TestAttrs(t *testing.T) {
	c := NewChecker(Access{ScopedKeys: []Key{{Name: "a", Hash: [32]byte{1}}, {Name: "b", Hash: [32]byte{2}}, {Name: "a", Hash: [32]byte{3}}}})
	for i, want := range []int{1, 0, 1} {
		if got := c.keys[i].Attrs(); len(got) != want || want == 1 && got[0].Value.String() != c.keys[i].Fingerprint() {
			t.Errorf("key %d: %v", i, got)
		}
	}
	if got := (*Key)(nil).Attrs(); got != nil {
		t.Errorf("no key: %v", got)
	}
}

func TestAllows(t *testing.T) {
	a := NewChecker(Access{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}})
	for addr, want := range map[string]bool{"10.1.2.3": true, "11.0.0.1": false, "127.0.0.1": false, "2001:db8::1": true, "::1": false} {
		if got := a.Allows(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if !a.Allows(netip.Addr{}) {
		t.Error("a unix socket was refused")
	}
}
