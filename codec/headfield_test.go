package codec

import (
	"fmt"
	"testing"
)

const fieldsHead = "GET /chat?a=1&token=x%2Ey&token=z HTTP/1.1\r\nHost: h\r\nX-Forwarded-For:  a, b \r\nCookie: a=1; t=\"q\"; t=2\r\nx-forwarded-for: c\r\n\r\n"

func TestFields(t *testing.T) {
	got := ""
	for name, value := range Fields([]byte(fieldsHead)) {
		if IsField(name, "x-forwarded-for") {
			got += fmt.Sprintf("[%s]", value)
		}
	}
	if got != "[a, b][c]" {
		t.Errorf("values %s", got)
	}
	for name := range Fields([]byte(fieldsHead)) {
		if string(name) != "Host" {
			t.Errorf("the first field is %q", name)
		}
		break
	}
	for range Fields([]byte("GET / HTTP/1.1\r\nbroken")) {
		t.Error("a field of a head that is not complete")
	}
}

func TestQueryAndCookieValue(t *testing.T) {
	query := Query([]byte(fieldsHead))
	for name, want := range map[string]string{"a": "1", "token": "x%2Ey", "b": "none", "": "none"} {
		got := "none"
		if v, ok := QueryValue(query, name); ok {
			got = string(v)
		}
		if got != want {
			t.Errorf("parameter %q is %q, want %q", name, got, want)
		}
	}
	if q := Query([]byte("GET / HTTP/1.1\r\n\r\n")); q != nil {
		t.Errorf("query %q", q)
	}
	for field, want := range map[string]string{
		"t=1": "1", "a=2; t=1; t=3": "1", `t="1"`: "1", "t=": "", `t="`: `"`,
		"T=1": "none", "tt=1": "none", "t": "none", "": "none", "a=t=1": "none",
	} {
		got := "none"
		if v, ok := CookieValue([]byte(field), "t"); ok {
			got = string(v)
		}
		if got != want {
			t.Errorf("cookie in %q is %q, want %q", field, got, want)
		}
	}
}

func TestAddField(t *testing.T) {
	got := AddField([]byte("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"), "Sec-WebSocket-Protocol", []byte("castgate"))
	if want := "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: castgate\r\n\r\n"; string(got) != want {
		t.Errorf("%q", got)
	}
}
