package gatewayworker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJSON holds the reader against encoding/json: what one takes the other
// does, but for bytes that are not UTF-8, lone surrogates and depth, which
// encoding/json lets pass.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u00e9\ud83d\ude00\n"],"b":null,"c":{"d":true}}`, `[]`, `{}`, `"x"`, ` 5 `, `-0`, `[1,]`, `{"a":1,}`, `"\ud800"`, "\"\xff\"", `{"":{"":[]}}`, `[[],{}]`, `tru`, `01`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := validJSON(b, nil), json.Valid(b)
		if ours && (!theirs || !utf8.Valid(b)) {
			t.Errorf("%q taken", b)
		}
		if theirs && !ours && utf8.Valid(b) && bytes.Count(b, []byte("[")) <= maxJSONDepth && bytes.Count(b, []byte("{")) == 0 && !bytes.Contains(b, []byte(`\u`)) {
			t.Errorf("%q not taken", b)
		}
		var list []string
		if !ours || json.Unmarshal(b, &list) != nil || b[0] != '[' || bytes.Contains(b, []byte("null")) {
			return
		}
		var d Decoder
		keys := d.Keys(b)
		if len(keys) != len(list) {
			t.Fatalf("%q: %q, expected %q", b, keys, list)
		}
		for i := range keys {
			if string(keys[i]) != list[i] {
				t.Errorf("%q: %q, expected %q", b, keys[i], list[i])
			}
		}
	})
}

func TestJSONDeep(t *testing.T) {
	for _, c := range []struct {
		depth int
		valid bool
	}{{100, true}, {maxJSONDepth, true}, {maxJSONDepth + 1, false}, {1 << 20, false}} {
		if b := strings.Repeat(`{"a":`, c.depth) + "1" + strings.Repeat("}", c.depth); validJSON([]byte(b), nil) != c.valid {
			t.Errorf("%d levels: not %v", c.depth, c.valid)
		}
	}
	if validJSON([]byte(strings.Repeat("[", 10<<20)), nil) {
		t.Error("10 MiB of brackets taken")
	}
}
