package gatewayworker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestConnect(t *testing.T) {
	peer := netip.MustParseAddrPort("[::ffff:1.2.3.4]:5")
	head := "GET http://h/p?a=1&b.c=2?#x HTTP/1.1\r\nX-A: 1 \r\nx_a:\t2\r\nContent-Type: text/plain\r\nCookie: a=b=c;  d = e ;f; 7=x; g=\r\nCookie: d=last\r\n\r\n"
	got, err := AppendWebSocketConnect(nil, []byte(head), peer, 7272)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`a:3:{s:3:"get";a:2:{s:1:"a";s:1:"1";s:3:"b_c";s:2:"2?";}s:6:"server";a:12:{s:12:"QUERY_STRING";s:10:"a=1&b.c=2?";`,
		`s:11:"REQUEST_URI";s:23:"http://h/p?a=1&b.c=2?#x";`, `s:11:"SERVER_NAME";N;s:12:"CONTENT_TYPE";s:10:"text/plain";`,
		`s:11:"REMOTE_ADDR";s:16:"[::ffff:1.2.3.4]";s:11:"REMOTE_PORT";i:5;s:11:"SERVER_PORT";i:7272;`,
		`s:8:"HTTP_X_A";s:3:"1,2";s:17:"HTTP_CONTENT_TYPE";s:10:"text/plain";s:11:"HTTP_COOKIE";`,
		`s:6:"cookie";a:4:{s:1:"a";s:3:"b=c";s:1:"d";s:3:" e ";i:7;s:1:"x";s:1:"g";s:7:",d=last";}}`,
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("%s\nis not in\n%s", part, got)
		}
	}
	for _, head := range []string{"", "GET", "GET /", "GET  HTTP/1.1\r\n\r\n"} {
		if _, err := AppendWebSocketConnect(nil, []byte(head), peer, 1); !errors.Is(err, ErrRequest) {
			t.Errorf("%q: %v", head, err)
		}
	}
	for addr, want := range map[string]string{"1.2.3.4": "1.2.3.4", "::1": "[::1]", "fe80::1%eth0": "[fe80::1]"} {
		if got := remoteAddr(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

func TestQueryLimits(t *testing.T) {
	got := AppendQuery(nil, strings.Repeat("&a[]=1", 1005))
	if !strings.HasPrefix(string(got), `a:1:{s:1:"a";a:1000:{`) {
		t.Errorf("%.60s", got)
	}
	if got := AppendQuery(nil, "a"+strings.Repeat("[x]", maxQueryNesting)+"=1"); strings.Count(string(got), "{") != maxQueryNesting+1 {
		t.Errorf("%s", got)
	}
	if got := AppendQuery(nil, "a"+strings.Repeat("[x]", maxQueryNesting+1)+"=1"); string(got) != "a:0:{}" {
		t.Errorf("%s", got)
	}
}

// FuzzConnect: whatever the head, the body is a serialized array of three.
func FuzzConnect(f *testing.F) {
	f.Add([]byte("GET /chat?token=a%20b&x[]=1&x[][y]=2&n=5&=&[a]=b HTTP/1.1\r\nHost: h\r\nCookie: a=b; c; d=\r\nX-A: 1\r\nX_A: 2\r\n\r\n"))
	f.Add([]byte("GET /?a[9223372036854775807]=1&a[]=2&a[x=1&%00=1 HTTP/1.1\r\n:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		body, err := AppendWebSocketConnect(nil, head, netip.MustParseAddrPort("1.2.3.4:5"), 6)
		if err != nil {
			return
		}
		tr := tree{b: body}
		s := scanner{b: body}
		if err := tr.value(&s, nil); err != nil && !errors.Is(err, ErrTooLarge) || err == nil && (s.i != len(body) || len(tr.distinct(0)) != 3) {
			t.Fatalf("%q: %q, %v", head, body, err)
		}
		if err == nil && string(rewrite(t, body)) != string(body) {
			t.Errorf("%q: %q, written anew %q", head, body, rewrite(t, body))
		}
	})
}
