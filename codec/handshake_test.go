package codec

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestHandshakeEnd(t *testing.T) {
	for _, test := range []struct {
		b    string
		want int
	}{
		{"", -1}, {"\r\n\r", -1}, {"\r\n\r\n", 4}, {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27}, {"a\r\n\r\nb\r\n\r\n", 5},
		{"a\n\n", -1}, {"a\r\n\n", -1}, {"a\r\r\n\n", -1}, {"a\r\r\n\r\n", 6}, {"a\r\n\r\r\n\r\n", 8},
	} {
		if got := HandshakeEnd([]byte(test.b), 0); got != test.want {
			t.Errorf("%q: %d, want %d", test.b, got, test.want)
		}
		if got := growingEnd([]byte(test.b), 1); got != test.want {
			t.Errorf("%q byte by byte: %d, want %d", test.b, got, test.want)
		}
	}
}

// growingEnd is HandshakeEnd on a buffer that grows by step bytes at a time.
func growingEnd(b []byte, step int) int {
	for scanned := 0; scanned < len(b); {
		now := min(scanned+step, len(b))
		if end := HandshakeEnd(b[:now], scanned); end >= 0 {
			return end
		}
		scanned = now
	}
	return -1
}

// TestHandshakeEndFrom gives counts that no caller should, which must not panic.
func TestHandshakeEndFrom(t *testing.T) {
	b := []byte("a\r\n\r\n")
	for _, from := range []int{-5, 0, 1, 2, 3} {
		if got := HandshakeEnd(b, from); got != 5 {
			t.Errorf("from %d: %d, want 5", from, got)
		}
	}
	if got := HandshakeEnd(b, 100); got != -1 {
		t.Errorf("from 100: %d, want -1", got)
	}
}

// TestRefusals reads each refusal with net/http and checks what the status
// calls for.
func TestRefusals(t *testing.T) {
	fields := map[HandshakeResult][2]string{
		HandshakeMethod:       {"Allow", "GET"},
		HandshakeVersion:      {"Sec-Websocket-Version", "13"},
		HandshakeBusy:         {"Retry-After", "5"},
		HandshakeCrowded:      {"Retry-After", "5"},
		HandshakeStopping:     {"Retry-After", "1"},
		HandshakeTooMany:      {"Retry-After", "5"},
		HandshakeTooFast:      {"Retry-After", "5"},
		HandshakeNoToken:      {"Www-Authenticate", "Bearer"},
		HandshakeTokenExpired: {"Www-Authenticate", `Bearer error="invalid_token", error_description="expired"`},
	}
	for r := HandshakeOK + 1; int(r) < NumHandshakeResults; r++ {
		answer := AppendRefusal([]byte("before"), r)
		text, ok := strings.CutPrefix(string(answer), "before")
		if !ok {
			t.Fatalf("%v: dst is gone: %q", r, answer)
		}
		reader := bufio.NewReader(strings.NewReader(text))
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%v: %v in %q", r, err, text)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.HasSuffix(string(body), " ["+r.String()+"]\n") || resp.ContentLength != int64(len(body)) || reader.Buffered() != 0 {
			t.Errorf("%v: body %q, %d declared, %v", r, body, resp.ContentLength, err)
		}
		status := strconv.Itoa(r.Status()) + " " + http.StatusText(r.Status())
		if resp.Status != status || !resp.Close {
			t.Errorf("%v: status %q, close %t, want %q", r, resp.Status, resp.Close, status)
		}
		if want, ok := fields[r]; ok && resp.Header.Get(want[0]) != want[1] {
			t.Errorf("%v: %s = %q, want %q", r, want[0], resp.Header.Get(want[0]), want[1])
		}
	}
	if got := AppendRefusal([]byte("before"), HandshakeOK); string(got) != "before" {
		t.Errorf("HandshakeOK: %q", got)
	}
	if got := AppendRefusal(nil, HandshakeResult(NumHandshakeResults)); got != nil {
		t.Errorf("no result: %q", got)
	}
}

func TestHandshakeResults(t *testing.T) {
	want := []struct {
		label  string
		status int
	}{
		{"ok", 101}, {"bad_request", 400}, {"method", 405}, {"version", 426}, {"origin", 403},
		{"too_large", 431}, {"timeout", 408}, {"busy", 503},
		{"proxy_header", 400}, {"forwarded", 400}, {"address_conns", 429}, {"address_rate", 429}, {"head_memory", 503},
		{"request_line", 400}, {"target", 400}, {"http_version", 400}, {"header", 400}, {"host", 400}, {"body", 400}, {"repeated", 400},
		{"no_upgrade", 400}, {"connection", 400}, {"no_key", 400}, {"bad_key", 400}, {"extensions", 400},
		{"token_missing", 401}, {"token_invalid", 401}, {"token_expired", 401}, {"token_early", 401},
		{"token_audience", 401}, {"token_issuer", 401}, {"token_claims", 401}, {"token_busy", 503}, {"stopping", 503}, {"no_worker", 503}, {"hook_refused", 403}, {"hook_failed", 503}, {"unknown", 0},
	}
	if len(want) != NumHandshakeResults+1 {
		t.Fatalf("%d results", NumHandshakeResults)
	}
	for i, w := range want {
		if r := HandshakeResult(i); r.String() != w.label || r.Status() != w.status {
			t.Errorf("result %d: %q %d, want %q %d", i, r, r.Status(), w.label, w.status)
		}
	}
}

// FuzzHandshake checks that a head's end does not depend on how it came, that
// heads that are let in are let in by net/http too and mean the same there,
// and that every answer can be read by net/http and, a 101, by CheckResponse.
func FuzzHandshake(f *testing.F) {
	for _, path := range vectorPaths(f, "handshake") {
		head, _ := readHead(f, path)
		f.Add(head, uint8(5))
	}
	f.Add(AppendRefusal(nil, HandshakeBusy), uint8(1))
	f.Add([]byte(accepted+"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		fuzzResponse(t, b)
		end := HandshakeEnd(b, 0)
		if want := bytes.Index(b, []byte(headEnd)); end != want+len(headEnd) && (end != -1 || want != -1) {
			t.Fatalf("HandshakeEnd = %d, index %d", end, want)
		}
		if got := growingEnd(b, int(step)+1); got != end {
			t.Fatalf("in steps of %d: %d, whole %d", step, got, end)
		}
		u := Upgrader{CheckOrigin: goodOrigin}
		if _, result := u.Upgrade(nil, b); result == HandshakeOK && end != len(b) {
			t.Fatalf("a head of %d bytes let in with %d", end, len(b))
		}
		if end < 0 {
			return
		}
		head := b[:end]
		before := bytes.Clone(head)
		answer, result := u.Upgrade(nil, head)
		if !bytes.Equal(head, before) {
			t.Fatal("the head was changed")
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil || resp.StatusCode != result.Status() {
			t.Fatalf("%v: answer %q: %v", result, answer, err)
		}
		if result == HandshakeOK {
			checkAccepted(t, head, answer)
		}
	})
}

// checkAccepted holds a head that was let in against net/http.
func checkAccepted(t *testing.T, head, answer []byte) {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	if req.Method != "GET" || req.Proto != "HTTP/1.1" || req.Host == "" || req.ContentLength != 0 || len(req.TransferEncoding) != 0 {
		t.Fatalf("net/http reads %q as %+v", head, req)
	}
	list := func(name, token string) bool {
		return hasToken([]byte(strings.Join(req.Header.Values(name), ",")), token)
	}
	keys := req.Header.Values("Sec-Websocket-Key")
	if len(keys) != 1 || len(keys[0]) != keyLen || !list("Upgrade", "websocket") || !list("Connection", "upgrade") ||
		strings.Join(req.Header.Values("Sec-Websocket-Version"), "|") != "13" {
		t.Fatalf("net/http reads %q as %q", head, req.Header)
	}
	if origin := req.Header.Values("Origin"); len(origin) > 1 || len(origin) == 1 && !goodOrigin([]byte(origin[0])) {
		t.Fatalf("origin %q let in", origin)
	}
	if err := CheckResponse(answer, [24]byte([]byte(keys[0]))); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
}

// fuzzResponse takes b for an answer: what CheckResponse lets through,
// net/http has to read as a 101.
func fuzzResponse(t *testing.T, b []byte) {
	t.Helper()
	if CheckResponse(b, rfcKey) != nil {
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != rfcAccept {
		t.Fatalf("net/http reads %q as %+v, %v", b, resp, err)
	}
}

// The end of a request head, found at once and in a head that comes in pieces.
func BenchmarkHandshakeEnd(b *testing.B) {
	for _, name := range []string{"101_minimal", "101_browser"} {
		head, _ := readHead(b, filepath.Join("testdata", "handshake", name+".txt"))
		for _, step := range []int{64, len(head)} {
			b.Run(fmt.Sprintf("head=%s/step=%d", name, step), func(b *testing.B) {
				b.SetBytes(int64(len(head)))
				b.ReportAllocs()
				for b.Loop() {
					if growingEnd(head, step) != len(head) {
						b.Fatal("not found")
					}
				}
			})
		}
	}
}

func TestBeginsRequest(t *testing.T) {
	for _, first := range []string{"GET / HTTP/1.1", "OPTIONS", "get", "PROXY TCP4", proxyV2, "!x", "~"} {
		if !BeginsRequest(first[0]) {
			t.Errorf("%q is taken for no request", first)
		}
	}
	for _, first := range []string{"\x16\x03\x01", "\x15\x03", "\x00", " GET", "\nGET", "{", "\"", "\x7f", "\x80", "\xff"} {
		if BeginsRequest(first[0]) {
			t.Errorf("%q is taken for the beginning of a request", first)
		}
	}
}

// Bytes of no request are a bad request, with words for who speaks TLS.
func TestNoRequest(t *testing.T) {
	if got := AppendNoRequest([]byte("before"), ' '); string(got) != "before"+string(AppendRefusal(nil, HandshakeBadRequest)) {
		t.Errorf("%q", got)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(AppendNoRequest(nil, 0x16))), nil)
	if err != nil || resp.StatusCode != 400 || !resp.Close {
		t.Fatalf("%v, %+v", err, resp)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "TLS") {
		t.Errorf("%q, %v", body, err)
	}
}
