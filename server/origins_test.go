package server

import "testing"

// What no browser can ever send as an origin is no origin.
func TestValidOrigin(t *testing.T) {
	for _, o := range []string{
		"https://a.example", "https://a.example/", "https://a.example:8443", "a.example", "a.example:8443", "localhost", "http://[::1]:3000",
		"*.a.example", "https://*.a.example", "*.a.example:8443", "null", "app://.", " https://a.example ", "chrome-extension://abcdefgh",
	} {
		if !validOrigin(o) {
			t.Errorf("%q is refused", o)
		}
	}
	for _, o := range []string{
		"", " ", "/", "*", "*.", "**.a.example", "*.*.example", "a*.example", "x*.a.example", "https://x*.a.example", "https://", "://a.example", "file://",
		"https://a.example/x", "https://a.example//", "a.example/x", "https://a.example?x", "https://a.example#x", "https://user@a.example",
		"https://a.example https://b.example", "https:/a.example", "https//a.example", `https:\\a.example`,
	} {
		if validOrigin(o) {
			t.Errorf("%q is taken", o)
		}
	}
}
