package origin

import (
	"strings"
	"testing"
)

// An item allows what browsers send for it, in whatever form the item is written.
func TestOriginsAreNormalised(t *testing.T) {
	for _, try := range []struct{ item, sent string }{
		{"https://app.example.com", "https://app.example.com"},
		{"https://app.example.com:443", "https://app.example.com"},
		{"http://app.example.com:80", "http://app.example.com"},
		{"HTTPS://App.Example.COM/", "https://app.example.com"},
		{" https://app.example.com:08443 ", "https://app.example.com:8443"},
		{"https://bücher.example", "https://xn--bcher-kva.example"},
		{"https://BÜCHER.example:443", "https://xn--bcher-kva.example"},
		{"https://faß.example", "https://xn--fa-hia.example"},
		{"https://FAẞ.example", "https://xn--fa-hia.example"}, // as Chromium writes it
		{"https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"},
		{"https://xn--bcher-kva.example", "https://xn--bcher-kva.example"},
		{"https://my_app.example", "https://my_app.example"},
		{"https://r3---sn.example", "https://r3---sn.example"},
		{"http://[::1]:3000", "http://[::1]:3000"},
		{"http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"},
		{"http://[2001:DB8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"},
		{"http://[::ffff:10.0.0.1]", "http://[::ffff:a00:1]"},
		{"http://10.0.0.1:8080", "http://10.0.0.1:8080"},
		{"app.example.com:443", "https://app.example.com"},
		{"app.example.com:443", "http://app.example.com:443"},
		{"app.example.com", "capacitor://app.example.com"},
		{"bücher.example", "https://xn--bcher-kva.example:9"},
		{"*.bücher.example", "https://a.b.xn--bcher-kva.example"},
		{"https://*.example.com:443", "https://a.example.com"},
		{"https://*.Example.com", "https://a.example.com:8443"},
		{"localhost", "http://localhost:5173"},
		{"[::1]", "http://[::1]:5173"},
		{"file://", "file://"}, {"FILE://", "file://"}, {"file:///", "file://"},
		{"null", "null"}, {"NULL", "null"},
		{"capacitor://localhost", "capacitor://localhost"}, {"ionic://localhost", "ionic://localhost"},
		{"tauri://localhost", "tauri://localhost"}, {"app://.", "app://."}, {"app://obsidian.md", "app://obsidian.md"},
		{"chrome-extension://ABCDEFGHijklmnop", "chrome-extension://abcdefghijklmnop"},
		{"moz-extension://6b8f7a3c-8c64-4a8a-9d0a-3b1f1c1e2d3f", "moz-extension://6b8f7a3c-8c64-4a8a-9d0a-3b1f1c1e2d3f"},
		{"vscode-webview://0abc", "vscode-webview://0abc"}, {"x://localhost:81", "x://localhost:81"},
	} {
		o := NewSet([]string{try.item})
		if _, err := Parse(try.item); err != nil || !o.Allow([]byte(try.sent)) {
			t.Errorf("%q does not allow %s: %v", try.item, try.sent, err)
		}
	}
}

// No origin other than the intended one is allowed.
func TestOriginsAreExact(t *testing.T) {
	for _, try := range []struct{ item, sent string }{
		{"https://app.example.com", "http://app.example.com"},
		{"https://app.example.com", "https://app.example.com:8443"},
		{"https://app.example.com", "https://app.example.com."},
		{"https://app.example.com", "https://x.app.example.com"},
		{"https://app.example.com", "https://app.example.com/"},
		{"https://app.example.com", "https://u@app.example.com"},
		{"https://app.example.com", "https://app.example.com:0443x"},
		{"https://app.example.com", "https://app.example.com:"},
		{"https://app.example.com", "https:app.example.com"},
		{"https://app.example.com", " https://app.example.com"},
		{"https://app.example.com", "https://app.example.com, https://b.example"},
		{"https://app.example.com:8443", "https://app.example.com"},
		{"app.example.com:80", "https://app.example.com"},
		{"capacitor://localhost", "capacitor://localhost:1"},
		{"capacitor://localhost", "http://localhost"},
		{"*.example.com", "https://example.com"},
		{"*.example.com", "https://.example.com"},
		{"*.example.com", "https://evilexample.com"},
		{"*.example.com", "https://a/.example.com"},
		{"*.example.com", "https://a.example.com." + strings.Repeat(".example.com", 40)},
		{"https://*.example.com:443", "https://a.example.com:8443"},
		{"null", "https://null.example"}, {"null", ""}, {"null", "file://"},
		{"file://", "null"}, {"file://", "file:///etc"}, {"file://", "file://host"},
		{"app://.", "app://"},
		{"https://xn--bcher-kva.example", "https://bücher.example"}, // no browser sends it
	} {
		if o := NewSet([]string{try.item}); o.Allow([]byte(try.sent)) {
			t.Errorf("%q allows %q", try.item, try.sent)
		}
	}
}

func TestOrigins(t *testing.T) {
	o := NewSet([]string{"https://a.example", "*.b.example", "https://*.c.example:8443", "d.example:81", "E.example"})
	for sent, want := range map[string]bool{
		"https://a.example": true, "http://a.example": false, "https://a.example:444": false,
		"https://x.b.example": true, "http://x.y.b.example:9": true, "https://b.example": false, "https://xb.example": false,
		"https://x.c.example:8443": true, "http://x.c.example:8443": false, "https://x.c.example": false,
		"http://d.example:81": true, "http://d.example": false, "https://e.EXAMPLE": true,
		"null": false, "": false, "https://": false, "file://": false, "https://x.b.example@evil.example": false,
	} {
		if got := o.Allow([]byte(sent)); got != want {
			t.Errorf("%q: %v", sent, got)
		}
	}
	if any := NewSet(nil); !any.Allow([]byte("null")) {
		t.Error("no list refuses")
	}
}

// An item that no browser ever sends is refused, and the error suggests the right
// form.
func TestOriginsRefused(t *testing.T) {
	for item, right := range map[string]string{
		"wss://app.example.com":                "write https://app.example.com",
		"wss://app.example.com:443/":           "write https://app.example.com",
		"WSS://*.example.com:8443":             "write https://*.example.com:8443",
		"ws://localhost:80":                    "write http://localhost",
		"https://app.example.com.":             "write https://app.example.com",
		"*.example.com.":                       "write *.example.com",
		"https://a.example/x":                  "write https://a.example",
		"https://a.example//":                  "write https://a.example",
		"wss://a.example/ws":                   "",
		"a.example/x":                          "write a.example",
		"https://a.example?x":                  "write https://a.example",
		"https://a.example#x":                  "write https://a.example",
		"https://user:pw@a.example":            "write https://a.example",
		"::1":                                  "write [::1]",
		"http://fe80::1":                       "write http://[fe80::1]",
		"file://localhost":                     "file:// or null",
		"file:///index.html":                   "",
		"data://x":                             "null",
		"*":                                    "do not set allowed-origins",
		"":                                     "empty item",
		" / ":                                  "",
		"*.":                                   "",
		"**.a.example":                         "",
		"*.*.example":                          "",
		"a*.example":                           "",
		"x*.a.example":                         "",
		"https://x*.a.example":                 "",
		"https://*":                            "",
		"https://":                             "",
		"://a.example":                         "no scheme",
		"1x://a.example":                       "no scheme",
		`"https://a.example"`:                  "no scheme",
		"https://a.example https://b.example":  "",
		"https:/a.example":                     "",
		"https//a.example":                     "",
		`https:\\a.example`:                    "",
		"https://a.example:0":                  "",
		"https://a.example:65536":              "",
		"https://a.example:":                   "",
		"https://a.example:https":              "",
		"https://a b.example":                  "",
		"https://a..example":                   "",
		"https://.a.example":                   "",
		"https://a%2eexample":                  "",
		"https://xn--a-ecp.ru":                 "", // Punycode that decodes to nothing
		"https://127.1":                        "not an IPv4 address",
		"https://1.2.3.400":                    "not an IPv4 address",
		"https://0x7f000001":                   "not an IPv4 address",
		"https://[::1":                         "",
		"https://[127.0.0.1]":                  "",
		"https://[fe80::1%eth0]":               "",
		"*.127.0.0.1":                          "has no subdomains",
		"*.[::1]":                              "has no subdomains",
		"https://a.example\nhttps://b.example": "",
		"https://" + strings.Repeat("a.", 127) + "a": "",
	} {
		if _, err := Parse(item); err == nil || !strings.Contains(err.Error(), right) || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%q: %v, want %q", item, err, right)
		}
	}
}

// For every accepted list, the written form of each item parses to the same rule.
// No header of a stranger is allowed by mistake or causes a panic.
func FuzzOrigins(f *testing.F) {
	f.Add("https://bücher.example:443", "https://xn--bcher-kva.example")
	f.Add("*.[::1]", "null")
	f.Fuzz(func(t *testing.T, item, sent string) {
		rule, err := Parse(item)
		o := NewSet([]string{item})
		allowed := o.Allow([]byte(sent))
		if err != nil {
			if allowed {
				t.Fatalf("%q is not an origin but allows %q", item, sent)
			}
			return
		}
		if again, err := Parse(rule.String()); err != nil || again != rule {
			t.Fatalf("%q is %+v, and %q is %+v, %v", item, rule, rule, again, err)
		}
		if !rule.below && rule.scheme != "" && !o.Allow([]byte(rule.String())) {
			t.Fatalf("%q does not allow %s", item, rule)
		}
	})
}
