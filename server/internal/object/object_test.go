package object

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Every member is seen, in order, as it stands in the text.
func TestMembers(t *testing.T) {
	var seen []string
	err := Members([]byte(" { \"a\" : [1, {\"}\":2}] ,\"\\u0062\":\"x\\\"y\" , \"a\":null,\"c\":-1.5e3\n} "), func(name, raw []byte) error {
		seen = append(seen, fmt.Sprintf("%s=%s", name, raw))
		return nil
	})
	if got, want := strings.Join(seen, ";"), `a=[1, {"}":2}];b="x\"y";a=null;c=-1.5e3`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for text, want := range map[string]error{
		``: ErrObject, `null`: ErrObject, `[]`: ErrObject, `{"a":1}{}`: ErrObject, `{"a":}`: ErrObject, `"{}"`: ErrObject,
		"{\"a\":\"\xe9\"}": ErrText, "{\"\xe9\":1}": ErrText, `{"a":"\ud800"}`: ErrText, `{"a":"\udc00\ud800"}`: ErrText,
		`{"a":"\ud83d\ude00"}`: nil, `{"a":"\\ud800"}`: nil, `{}`: nil,
	} {
		if err := Members([]byte(text), func(_, _ []byte) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// A known name counts only as it is written, and once.
func TestKnown(t *testing.T) {
	for text, want := range map[string]error{`{"a":1,"A":2,"c":3,"c":4}`: nil, `{"a":1,"\u0061":2}`: DuplicateError("a")} {
		calls := 0
		err := Known([]byte(text), []string{"a", "b"}, func(string, []byte) error { calls++; return nil })
		if !errors.Is(err, want) || calls != 1 {
			t.Errorf("%s: %v after %d calls, want %v", text, err, calls, want)
		}
	}
}

// Integers are names by their digits.
func TestName(t *testing.T) {
	for raw, want := range map[string]string{`"a\u0062"`: "ab", `7`: "7", `70e-1`: "7", `-7.0`: "-7", `""`: ""} {
		if got, err := Name([]byte(raw)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{`1.5`, `true`, `null`, `[]`, `{}`, `1e2000`} {
		if got, err := Name([]byte(raw)); !errors.Is(err, ErrString) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	if err := Items([]byte(`{}`), nil); !errors.Is(err, ErrList) {
		t.Errorf("%v", err)
	}
}
