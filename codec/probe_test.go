package codec

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

func TestIsProbe(t *testing.T) {
	for head, want := range map[string]bool{
		"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n":                            true,
		"GET /healthz HTTP/1.0\r\n\r\n":                                       true,
		"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n": true,
		"GET /healthz?from=lb HTTP/1.1\r\nHost: a\r\n\r\n":                    true,
		"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":       true,
		"GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                    true,
		"HEAD HTTPS://a.example:7272/healthz?x HTTP/1.0\r\n\r\n":              true,
		"GET http://[::1]:80/healthz HTTP/1.1\r\nHost: b\r\n\r\n":             true,
		"GET http:///healthz HTTP/1.1\r\nHost: a\r\n\r\n":                     false,
		"GET http://a?/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                   false,
		"GET http://a/b/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                  false,
		"GET ftp://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                     false,
		"GET a/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                           false,
		"GET http://u@a/healthz HTTP/1.1\r\nHost: a\r\n\r\n":                  false,
		"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n":      false,
		"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n":                           false,
		"OPTIONS /healthz HTTP/1.0\r\n\r\n":                                   false,
		"GET /healthzz HTTP/1.1\r\nHost: a\r\n\r\n":                           false,
		"GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n":                           false,
		"GET /Healthz HTTP/1.1\r\nHost: a\r\n\r\n":                            false,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                   false,
		"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n":                            false,
		"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n":       false,
		"GET /healthz HTTP/1.1\r\n folded\r\n\r\n":                            false,
		"GET /healthz\r\n\r\n":                                                false,
		"GET":                                                                 false,
		"":                                                                    false,
	} {
		if got := IsProbe([]byte(head)); got != want {
			t.Errorf("%q: %t, want %t", head, got, want)
		}
	}
}

func TestProbeAnswers(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		for ready, status := range map[bool]int{true: 200, false: 503} {
			head := []byte(method + " /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
			r := bufio.NewReader(bytes.NewReader(AppendProbeAnswer(nil, head, ready)))
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil || resp.StatusCode != status || !resp.Close || resp.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %+v, %v", method, resp, err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || r.Buffered() != 0 || method == "HEAD" != (len(body) == 0) || resp.ContentLength <= 0 || method == "GET" && int(resp.ContentLength) != len(body) {
				t.Errorf("%s: %q of %d bytes, %d behind, %v", method, body, resp.ContentLength, r.Buffered(), err)
			}
		}
	}
}

// No head is a client and a probe, and what is a probe net/http reads as one.
func FuzzProbe(f *testing.F) {
	for _, path := range vectorPaths(f, "handshake") {
		head, _ := readHead(f, path)
		f.Add(head)
	}
	f.Add([]byte("GET /healthz HTTP/1.0\r\n\r\n"))
	f.Add([]byte("HEAD /healthz?a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if !IsProbe(head) {
			return
		}
		var u Upgrader
		if _, result := u.Upgrade(nil, head); result == HandshakeOK {
			t.Fatalf("%q is a probe and a client", head)
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil || req.URL.Path != ProbePath || req.Method != "GET" && req.Method != "HEAD" || req.ContentLength != 0 {
			t.Fatalf("%q: net/http reads %+v, %v", head, req, err)
		}
	})
}
