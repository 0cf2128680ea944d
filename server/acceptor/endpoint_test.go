package acceptor

import (
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	for s, want := range map[string]Endpoint{
		":7272":                {WS, ":7272"},
		"ws://127.0.0.1:0":     {WS, "127.0.0.1:0"},
		"wss://[::1]:443":      {WSS, "[::1]:443"},
		"wss://example.org:80": {WSS, "example.org:80"},
	} {
		if e, err := parseEndpoint(s); err != nil || e != want {
			t.Errorf("%s: %+v, %v", s, e, err)
		}
	}
	for _, s := range []string{"", "7272", "http://:80", "wss://", "wss://host", "://:80", "WSS://:1",
		":99999", ":-1", ":nosuchservice", "ws://localhost:7272/path", "ws://localhost/path:7272", "ws://localhost:7272?x", "user@host:80", "a b:80"} {
		if _, err := parseEndpoint(s); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Endpoints that cannot be listened on at the same time are found before it is tried.
func TestEndpointsThatCollide(t *testing.T) {
	for _, list := range [][]string{
		{":7272", ":7272"}, {":7272", "wss://:7272"}, {":7272", "127.0.0.1:7272"}, {"[::1]:80", "0.0.0.0:80"}, {"[::]:80", ":080"}, {"a.example:1", ":2", "A.example:1"},
	} {
		if _, err := Parse(list); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", list, err)
		}
	}
	for _, list := range [][]string{
		{":0", ":0", "127.0.0.1:0"}, {":7272", ":7273"}, {"127.0.0.1:7272", "127.0.0.2:7272", "[::1]:7272"},
	} {
		if _, err := Parse(list); err != nil {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]Endpoint{
		":1":              {WS, ":1"},
		"ws://[::1]:2":    {WS, "[::1]:2"},
		"text://h:3":      {Text, "h:3"},
		"frame://:4":      {Frame, ":4"},
		"tcp://0.0.0.0:0": {TCP, "0.0.0.0:0"},
	} {
		if e, err := parseEndpoint(in); err != nil || e != want {
			t.Errorf("%q: %+v, %v", in, e, err)
		}
	}
	for _, bad := range [][]string{nil, {""}, {"udp://:1"}, {"text://"}, {"text://:1/path:2:3"}, {":"}, {"text://127.0.0.1:"}, {"fd:"}, make([]string, 17)} {
		if _, err := Parse(bad); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
