package codec

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func TestAppendClose(t *testing.T) {
	for _, test := range []struct {
		name   string
		code   ws.StatusCode
		reason string
		want   string // payload
	}{
		{"none", 0, "not sent", ""},
		{"no reason", 1000, "", "\x03\xe8"},
		{"reason", 1008, "slow consumer", "\x03\xf0slow consumer"},
		{"123 bytes", 1000, strings.Repeat("r", 123), "\x03\xe8" + strings.Repeat("r", 123)},
		{"124 bytes", 1000, strings.Repeat("r", 124), "\x03\xe8" + strings.Repeat("r", 123)},
		{"cut before two", 1000, strings.Repeat("r", 122) + "é", "\x03\xe8" + strings.Repeat("r", 122)},
		{"two fit", 1000, strings.Repeat("r", 121) + "é!", "\x03\xe8" + strings.Repeat("r", 121) + "é"},
		{"cut before four", 1000, strings.Repeat("r", 120) + "😀", "\x03\xe8" + strings.Repeat("r", 120)},
		{"four fit", 1000, strings.Repeat("r", 119) + "😀😀", "\x03\xe8" + strings.Repeat("r", 119) + "😀"},
		{"not UTF-8", 1000, "a\xffb", "\x03\xe8a\uFFFDb"},
		{"cut character at the end", 1000, "a\xe2\x82", "\x03\xe8a\uFFFD"},
	} {
		got := AppendClose([]byte("before"), test.code, test.reason)
		want := ws.MustCompileFrame(ws.NewCloseFrame([]byte(test.want)))
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%s: %q, want %q", test.name, got, want)
		}
	}
}

// TestCloseReasonCut checks each length of reason: what is sent is UTF-8, a
// prefix, and not shorter than it has to be.
func TestCloseReasonCut(t *testing.T) {
	for _, letter := range []string{"a", "é", "€", "😀"} {
		for lead := range 4 {
			reason := strings.Repeat("x", lead) + strings.Repeat(letter, 200)
			got := cutReason(reason)
			if !utf8.ValidString(got) || !strings.HasPrefix(reason, got) || len(got) > 123 || len(got)+len(letter) <= 123 {
				t.Errorf("%q after %d: %d bytes, %q", letter, lead, len(got), got)
			}
		}
	}
}

// FuzzClose checks that each close frame that this package writes is one that
// it reads, with a reason that holds the characters of the original.
func FuzzClose(f *testing.F) {
	f.Add(uint16(1000), "bye")
	f.Add(uint16(4001), strings.Repeat("\xff", 300))
	f.Add(uint16(0), strings.Repeat("é", 100))
	f.Fuzz(func(t *testing.T, number uint16, reason string) {
		code := ws.StatusCode(number)
		if code != 0 && !ValidCloseCode(code) {
			return
		}
		frame := AppendClose(nil, code, reason)
		p := Parser{Client: true}
		n, ev, err := p.Next(frame, 0)
		if n != len(frame) || err != nil || ev.Kind != EventClose {
			t.Fatalf("%x: took %d, %+v, %v", frame, n, ev, err)
		}
		if code == 0 {
			code, reason = ws.StatusNoStatusRcvd, ""
		}
		if ev.Code != code || utf8.ValidString(reason) && !strings.HasPrefix(reason, string(ev.Reason)) {
			t.Fatalf("sent %d %q, read %d %q", code, reason, ev.Code, ev.Reason)
		}
	})
}

func TestValidCloseCode(t *testing.T) {
	for i := range 1 << 16 {
		code := ws.StatusCode(i)
		want := 1000 <= i && i <= 1003 || 1007 <= i && i <= 1014 || 3000 <= i && i <= 4999
		if got := ValidCloseCode(code); got != want {
			t.Errorf("ValidCloseCode(%d) = %t", code, got)
		}
	}
}

// TestCloseErrors checks that each error can be sent as it is.
func TestCloseErrors(t *testing.T) {
	for _, e := range []*CloseError{
		errReservedBit, errOpcode, errControlFragment, errControlLength, errLengthForm, errLengthTop, errNotMasked, errMasked,
		errNoMessage, errInMessage, errClosePayload, errCloseCode, errCloseReason, errText, errTooBig,
	} {
		if !ValidCloseCode(e.Code) || cutReason(e.Reason) != e.Reason || e.Reason == "" {
			t.Errorf("%+v can't be sent", e)
		}
		if !strings.Contains(e.Error(), e.Reason) {
			t.Errorf("%+v: Error() = %q", e, e.Error())
		}
		var as *CloseError
		if !errors.As(error(e), &as) || as != e {
			t.Errorf("%v: errors.As fails", e)
		}
	}
	if got := errTooBig.Error(); got != "codec: close 1009: message too big" {
		t.Errorf("Error() = %q", got)
	}
}
