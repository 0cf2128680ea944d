package access

import (
	"strings"
	"testing"
)

// Origins are compared as browsers send them.
func TestLets(t *testing.T) {
	c := NewChecker(Access{Keys: []string{"k"}, Origins: []string{"HTTPS://Admin.Example.com:443/"}})
	for origin, want := range map[string]bool{
		"https://admin.example.com": true, "https://Admin.example.com": false, "https://admin.example.com:443": false,
		"http://admin.example.com": false, "null": false, "": false,
	} {
		if c.Lets([]byte(origin)) != want {
			t.Errorf("%q: %v", origin, !want)
		}
	}
	if !c.Shares() || NewChecker(Access{}).Shares() {
		t.Error("origins are shared with that are not set, or not with those that are")
	}
}

func TestOriginsThatCannotBe(t *testing.T) {
	for origin, want := range map[string]string{
		"*": "not a single origin", "https://*.example.com": "not a single origin", "null": "cannot be told apart", "file://": "cannot be told apart",
		"admin.example.com": "write https://admin.example.com", "https://a.example/app": "write https://a.example", "": "empty",
	} {
		a := Access{Keys: []string{"first-key"}, Origins: []string{"https://admin.example.com", origin}}
		if err := a.Validate(); err == nil || !strings.HasPrefix(err.Error(), "control-cors-origins: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", origin, err)
		}
	}
	a := Access{Origins: []string{"https://admin.example.com"}}
	if err := a.Validate(); err == nil || !strings.Contains(err.Error(), "needs control-key") {
		t.Errorf("without a key: %v", err)
	}
}
