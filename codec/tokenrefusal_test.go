package codec

import "testing"

func TestAppendRefusalSaying(t *testing.T) {
	const want = "x" + "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\nit is bad [token_claim]\n"
	if got := AppendRefusalSaying([]byte("x"), HandshakeBadToken, "it is bad", "token_claim"); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, none := range []HandshakeResult{HandshakeOK, HandshakeResult(NumHandshakeResults)} {
		if got := AppendRefusalSaying(nil, none, "a", "b"); got != nil {
			t.Errorf("%d: %q", none, got)
		}
	}
}
