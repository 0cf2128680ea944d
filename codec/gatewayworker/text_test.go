package gatewayworker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for value, want := range map[string]string{
		"N;": "null", "b:1;": "1", "b:0;": "", "i:5;": "5", "i:-05;": "-5", "d:0.1;": "0.1", "d:1;": "1", "d:-0;": "-0", "d:1.0E+25;": "1.0E+25",
		"d:0.30000000000000004;": "0.3", "d:INF;": "INF", "d:-INF;": "-INF", "d:NAN;": "NAN", `s:3:"a/b";`: "a/b", "s:1:\"\xff\";": "\xff",
		"a:0:{}": "[]", `a:1:{s:1:"a";a:0:{}}`: `{"a":[]}`, `a:2:{i:1;i:1;i:0;i:2;}`: `{"1":1,"0":2}`, `a:2:{i:0;i:1;i:0;i:2;}`: `{"0":2}`,
		`a:1:{i:0;d:0.30000000000000004;}`: `[0.30000000000000004]`, `a:2:{i:0;b:1;i:1;b:0;}`: `[true,false]`,
		`O:8:"stdClass":2:{s:1:"a";i:1;s:4:"` + "\x00*\x00p" + `";i:2;}`: `{"__PHP_Incomplete_Class_Name":"stdClass","a":1}`,
		`a:1:{i:0;O:8:"stdClass":0:{}}`:                                  `[{"__PHP_Incomplete_Class_Name":"stdClass"}]`,
		`a:3:{i:0;O:1:"A":1:{s:1:"p";i:1;}i:1;r:2;i:2;r:2;}`:             `[{"__PHP_Incomplete_Class_Name":"A","p":1},{"__PHP_Incomplete_Class_Name":"A","p":1},{"__PHP_Incomplete_Class_Name":"A","p":1}]`,
		"a:1:{i:0;s:4:\"\u2028\x7f\";}":                                  "[\"\\u2028\x7f\"]",
	} {
		got, null, err := AppendText([]byte("before"), []byte(value))
		if err != nil || string(got) != "before"+want || null != (value == "N;") {
			t.Errorf("%q: %q, %v, %v; expected %q", value, got, null, err, want)
		}
	}
	for value, want := range map[string]error{
		"": ErrSerialized, "hello": ErrSerialized, "b:2;": ErrSerialized, `s:9:"a";`: ErrSerialized, "d:x;": ErrSerialized, "i:x;": ErrSerialized, "a:1:{i:0;": ErrSerialized,
		`a:1:{i:0;R:1;}`: ErrReference, "R:1;": ErrReference, "a:1:{i:0;d:INF;}": ErrText, "a:1:{i:0;s:1:\"\xff\";}": ErrText, "a:1:{s:1:\"\xff\";i:1;}": ErrText,
		`E:3:"A:B";`: ErrText, `C:1:"A":0:{}`: ErrText, nested(MaxNesting + 1): ErrNesting, "O:1:\"\xff\":0:{}": ErrText,
		fmt.Sprintf("a:%d:{%s}", MaxElements, strings.Repeat("i:0;N;", MaxElements)): ErrTooLarge,
	} {
		if got, null, err := AppendText([]byte("before"), []byte(value)); !errors.Is(err, want) || null || string(got) != "before" {
			t.Errorf("%.60q: %.60q, %v; expected %v", value, got, err, want)
		}
	}
}

// FuzzText: the text of an array is valid JSON.
func FuzzText(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Direction == "gateway->client" {
			f.Add(v.bytes[4:])
		}
	}
	f.Add([]byte(`a:3:{i:0;d:0.1;i:1;O:3:"Foo":1:{s:1:"p";b:1;}i:2;s:2:"é";}`))
	f.Add([]byte(doubling(4)))
	f.Fuzz(func(t *testing.T, value []byte) {
		text, _, err := AppendText(nil, value)
		if err == nil && (value[0] == 'a' || value[0] == 'O' || value[0] == 'N') && !json.Valid(text) {
			t.Errorf("%q: %q", value, text)
		}
		if err != nil && len(text) != 0 {
			t.Errorf("%q: %q beside %v", value, text, err)
		}
	})
}
