package codec

import (
	"strings"
	"testing"
)

const (
	agreedPlain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	declined    = ""
	malformed   = "400"
)

// extensionCases are values of Sec-WebSocket-Extensions, a line each, with the
// answer to them.
var extensionCases = []struct {
	lines string // separated by |
	want  string
}{
	// Legal offers (RFC 7692 section 7.1).
	{"permessage-deflate", agreedPlain},
	{"Permessage-Deflate", agreedPlain},
	{"permessage-deflate; server_no_context_takeover", agreedPlain},
	{"permessage-deflate; client_no_context_takeover", agreedPlain},
	{"permessage-deflate; client_no_context_takeover; server_no_context_takeover", agreedPlain},
	{"permessage-deflate; client_max_window_bits", agreedPlain},
	{"permessage-deflate; client_max_window_bits=8", agreedPlain},
	{"permessage-deflate; client_max_window_bits=15", agreedPlain},
	{`permessage-deflate; client_max_window_bits="10"`, agreedPlain},
	{`permessage-deflate; client_max_window_bits="1\0"`, agreedPlain},
	{"permessage-deflate; server_max_window_bits=15", agreedPlain + "; server_max_window_bits=15"},
	{"permessage-deflate; server_max_window_bits=8", agreedPlain + "; server_max_window_bits=8"},
	{"permessage-deflate; server_max_window_bits=9", agreedPlain + "; server_max_window_bits=9"},
	{"permessage-deflate; server_max_window_bits=10", agreedPlain + "; server_max_window_bits=10"},
	{`permessage-deflate; server_max_window_bits="12"`, agreedPlain + "; server_max_window_bits=12"},
	{"permessage-deflate;server_max_window_bits=14;client_max_window_bits", agreedPlain + "; server_max_window_bits=14"},
	{"permessage-deflate \t ; \t client_max_window_bits \t = \t 9 \t", agreedPlain},
	{"permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER", agreedPlain},

	// Offers to decline; the handshake goes on without.
	{"permessage-deflate; unknown", declined},
	{"permessage-deflate; unknown=1", declined},
	{"permessage-deflate; server_no_context_takeover=1", declined},
	{"permessage-deflate; client_no_context_takeover=15", declined},
	{`permessage-deflate; client_no_context_takeover="true"`, declined},
	{"permessage-deflate; server_max_window_bits", declined},
	{"permessage-deflate; server_max_window_bits=7", declined},
	{"permessage-deflate; server_max_window_bits=16", declined},
	{"permessage-deflate; server_max_window_bits=0", declined},
	{"permessage-deflate; server_max_window_bits=08", declined},
	{"permessage-deflate; server_max_window_bits=010", declined},
	{"permessage-deflate; server_max_window_bits=+9", declined},
	{"permessage-deflate; server_max_window_bits=x", declined},
	{"permessage-deflate; server_max_window_bits=100", declined},
	{"permessage-deflate; client_max_window_bits=7", declined},
	{"permessage-deflate; client_max_window_bits=16", declined},
	{"permessage-deflate; client_max_window_bits=015", declined},
	{"permessage-deflate; client_max_window_bits=1e1", declined},
	{"permessage-deflate; client_max_window_bits; client_max_window_bits", declined},
	{"permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", declined},
	{"permessage-deflate; server_max_window_bits=9; server_max_window_bits=10", declined},
	{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", declined},
	{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", declined},
	{"x-webkit-deflate-frame", declined},
	{"permessage-bzip2; server_max_window_bits=9", declined},
	{"permessage-deflate-not", declined},

	// Several offers: the first that can be met.
	{"permessage-deflate; server_max_window_bits=9, permessage-deflate", agreedPlain + "; server_max_window_bits=9"},
	{"permessage-deflate; server_max_window_bits=16, permessage-deflate", agreedPlain},
	{"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15", agreedPlain + "; server_max_window_bits=15"},
	{"foo; a=1; b=\"c\", permessage-deflate", agreedPlain},
	{"permessage-deflate, permessage-deflate; server_max_window_bits=9", agreedPlain},
	{"foo|permessage-deflate", agreedPlain},
	{"permessage-deflate; unknown|permessage-deflate; client_max_window_bits", agreedPlain},
	{", ,permessage-deflate,,", agreedPlain},

	// What breaks the grammar (RFC 6455 section 9.1).
	{"", malformed},
	{",", malformed},
	{";", malformed},
	{"permessage-deflate;", malformed},
	{"permessage-deflate; ;client_max_window_bits", malformed},
	{"permessage-deflate; =9", malformed},
	{"permessage-deflate; client_max_window_bits=", malformed},
	{"permessage-deflate; client_max_window_bits=;", malformed},
	{`permessage-deflate; client_max_window_bits=""`, malformed},
	{`permessage-deflate; client_max_window_bits="9`, malformed},
	{`permessage-deflate; client_max_window_bits="9\`, malformed},
	{`permessage-deflate; client_max_window_bits="9 "`, malformed},
	{`permessage-deflate; client_max_window_bits="9"9`, malformed},
	{"permessage-deflate client_max_window_bits", malformed},
	{"permessage deflate", malformed},
	{"permessage-deflate; a=b=c", malformed},
	{"permessage-deflate; a=(b)", malformed},
	{"=permessage-deflate", malformed},
	{`"permessage-deflate"`, malformed},
	{"permessage-deflate|", malformed},
	{"permessage-deflate/1", malformed},
	{"permessage-deflate; caf\xc3\xa9", malformed},
}

func extensionRequest(lines string) []byte {
	var header strings.Builder
	for _, line := range strings.Split(lines, "|") {
		header.WriteString("Sec-WebSocket-Extensions: " + line + "\r\n")
	}
	return AppendRequest(nil, "a.example", "/", rfcKey, header.String())
}

// negotiated is the answer's extension line, or the status if it is no 101.
func negotiated(t testing.TB, u *Upgrader, lines string) (string, Agreement) {
	answer, agreed, result := u.Negotiate(nil, extensionRequest(lines))
	if result != HandshakeOK {
		if result != HandshakeExtensions || agreed != (Agreement{}) {
			t.Errorf("%q: %v, %+v", lines, result, agreed)
		}
		return malformed, agreed
	}
	if err := CheckResponse(answer, rfcKey); err != nil {
		t.Errorf("%q: answer %q: %v", lines, answer, err)
	}
	_, after, _ := strings.Cut(string(answer), "Sec-WebSocket-Extensions: ")
	line, _, _ := strings.Cut(after, "\r\n")
	return line, agreed
}

func TestNegotiation(t *testing.T) {
	u := Upgrader{Compress: true}
	var off Upgrader
	for _, test := range extensionCases {
		got, agreed := negotiated(t, &u, test.lines)
		if got != test.want {
			t.Errorf("%q: answered %q, want %q", test.lines, got, test.want)
		}
		if agreed.WindowBits != 0 != strings.HasPrefix(test.want, "permessage") {
			t.Errorf("%q: %+v", test.lines, agreed)
		}
		if got, agreed := negotiated(t, &off, test.lines); got != "" || agreed != (Agreement{}) {
			t.Errorf("%q, not compressing: answered %q", test.lines, got)
		}
	}
	if got, agreed := negotiated(t, &u, "permessage-deflate; server_max_window_bits=9"); agreed.WindowBits != 9 {
		t.Errorf("%+v of %q", agreed, got)
	}
}

// TestNegotiationLong fills a head to its limit with offers.
func TestNegotiationLong(t *testing.T) {
	u := Upgrader{Compress: true}
	bad := strings.Repeat("permessage-deflate; client_max_window_bits=16, ", 160)
	if got, _ := negotiated(t, &u, bad+"permessage-deflate"); got != agreedPlain {
		t.Errorf("last of many offers: %q", got)
	}
	if got, _ := negotiated(t, &u, strings.Repeat(",", 7900)+"permessage-deflate"); got != agreedPlain {
		t.Errorf("after many empty members: %q", got)
	}
	if got, _ := negotiated(t, &u, "permessage-deflate"+strings.Repeat("; a", 2500)); got != declined {
		t.Errorf("many parameters: %q", got)
	}
}

// FuzzNegotiation: no value breaks the answer, and one that was accepted is
// accepted again in an answer that says the same.
func FuzzNegotiation(f *testing.F) {
	for _, test := range extensionCases {
		f.Add(test.lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		if strings.ContainsAny(lines, "\r\n") || len(lines) > 4000 {
			return
		}
		u := Upgrader{Compress: true}
		answer, agreed, result := u.Negotiate(nil, extensionRequest(lines))
		if agreed.WindowBits == 0 {
			if strings.Contains(string(answer), "permessage") {
				t.Fatalf("%q: answer %q without an agreement", lines, answer)
			}
			return
		}
		if result != HandshakeOK || agreed.WindowBits < MinWindowBits || agreed.WindowBits > MaxWindowBits {
			t.Fatalf("%q: %v, %+v", lines, result, agreed)
		}
		line, _ := negotiated(t, &u, lines)
		if again, same := negotiated(t, &u, line); again != line || same != agreed {
			t.Fatalf("%q: answered %q, and to that %q", lines, line, again)
		}
	})
}
