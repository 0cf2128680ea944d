package address

import (
	"strings"
	"testing"
)

// The port of a wss URL is 443 by default, and its host is the one that the
// certificate must be valid for.
func TestResolveSecure(t *testing.T) {
	for url, want := range map[string]string{"wss://127.0.0.1/x": "127.0.0.1:443 127.0.0.1", "wss://[::1]:7443/": "[::1]:7443 ::1", "ws://127.0.0.1": "127.0.0.1:80 "} {
		got, err := Resolve(t.Context(), url, nil)
		if err != nil || got.Addr.String()+" "+got.Name != want {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
		got.Secure(nil)
		if (got.TLS != nil) != strings.HasPrefix(url, "wss") || got.TLS != nil && got.TLS.ServerName != got.Name {
			t.Errorf("%s: %+v", url, got.TLS)
		}
	}
}
