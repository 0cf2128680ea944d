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

func TestAppendRefusalOf(t *testing.T) {
	const want = "xHTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	if got := AppendRefusalOf([]byte("x"), 401, "application/json", []byte("{}")); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	const plain = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n"
	if got := AppendRefusalOf(nil, 403, "", nil); string(got) != plain {
		t.Errorf("%q, want %q", got, plain)
	}
}
