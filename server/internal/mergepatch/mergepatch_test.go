package mergepatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAppendix: the cases of RFC 7396 appendix A, all 15, and the example of
// its section 3.
func TestAppendix(t *testing.T) {
	for i, tt := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{
			`{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"}`,
			`{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}`,
			`{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}`,
		},
	} {
		if got, err := Apply([]byte(tt[0]), []byte(tt[1])); err != nil || string(got) != tt[2] {
			t.Errorf("case %d: %s with %s is %s, %v; want %s", i+1, tt[0], tt[1], got, err, tt[2])
		}
	}
}

// TestBytes: values keep the bytes that they were written with.
func TestBytes(t *testing.T) {
	for _, tt := range [][3]string{
		{`{"n":1.0,"e":1e2,"E":-0E+05,"big":12345678901234567890,"tiny":0.10000000000000000001}`, `{"x":1.50}`,
			`{"n":1.0,"e":1e2,"E":-0E+05,"big":12345678901234567890,"tiny":0.10000000000000000001,"x":1.50}`},
		{`{"a":"<b>&\u003c\u00e9é\/"}`, `{"b":"<\u2028\u0026&>"}`, `{"a":"<b>&\u003c\u00e9é\/","b":"<\u2028\u0026&>"}`},
		{`{"z":1,"a":2,"m":3}`, `{"y":4,"a":5,"b":6}`, `{"z":1,"a":5,"m":3,"y":4,"b":6}`},
		{`{"seats":[]}`, `{"seats":[{"until":null},null,[null]]}`, `{"seats":[{"until":null},null,[null]]}`},
		{`{"a":{"x":null},"b":null}`, `{"a":{"y":1}}`, `{"a":{"x":null,"y":1},"b":null}`},
		// a name keeps its spelling
		{`{"\u0061":1}`, `{"a":2}`, `{"\u0061":2}`},
		{`{"a":1}`, `{"\u0061":null,"\u0062":3}`, `{"\u0062":3}`},
		{`{"a":{"b":1}}`, `{"a":7}`, `{"a":7}`},
		{`{"a":7}`, `{"a":{"b":null}}`, `{"a":{}}`},
		{"{ \"a\" : [ 1 , \" x \" ] }", "\t{\r\n\"b\" : \"} ,\" }\n", `{"a":[1," x "],"b":"} ,"}`},
		{`{"":1,"\"":2,"\\":3}`, `{"":null,"\"":4,"\\":{"\\\"":5}}`, `{"\"":4,"\\":{"\\\"":5}}`},
		{`{}`, `{}`, `{}`},
	} {
		if got, err := Apply([]byte(tt[0]), []byte(tt[1])); err != nil || string(got) != tt[2] {
			t.Errorf("%s with %s is %s, %v; want %s", tt[0], tt[1], got, err, tt[2])
		}
	}
}

// TestManyMembers: an object with an index behaves like one without.
func TestManyMembers(t *testing.T) {
	var doc, patch, want []string
	for i := range 200 {
		doc = append(doc, fmt.Sprintf(`"%d":%d`, i, i))
		switch i % 3 {
		case 0:
			patch = append(patch, fmt.Sprintf(`"%d":null`, i))
		case 1:
			patch = append(patch, fmt.Sprintf(`"%d":[%d]`, i, i))
			want = append(want, fmt.Sprintf(`"%d":[%d]`, i, i))
		case 2:
			want = append(want, doc[i])
		}
	}
	patch = append(patch, `"new":1`)
	want = append(want, `"new":1`)
	object := func(members []string) string { return "{" + strings.Join(members, ",") + "}" }
	if got, err := Apply([]byte(object(doc)), []byte(object(patch))); err != nil || string(got) != object(want) {
		t.Errorf("%s, %v", got, err)
	}
}

// TestRefusals: ambiguous, invalid and too deeply nested JSON is an error.
func TestRefusals(t *testing.T) {
	deep := func(n int, open, end string) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
	for name, tt := range map[string][2]string{
		"a name twice":               {`{}`, `{"a":1,"a":2}`},
		"a name twice, escaped":      {`{}`, `{"a":1,"\u0061":null}`},
		"a name twice, below":        {`{}`, `{"o":{"a":1,"a":1}}`},
		"a name twice, far apart":    {`{}`, `{"x":0,` + strings.Join(numbered(40), ",") + `,"x":1}`},
		"in the document":            {`{"a":1,"a":2}`, `{}`},
		"not JSON":                   {`{}`, `{"a":}`},
		"an invalid document":        {``, `{}`},
		"trailing data":              {`{}`, `{}{}`},
		"objects too deep":           {`{}`, deep(MaxDepth+1, `{"a":`, `}`)},
		"arrays too deep":            {`{}`, deep(MaxDepth+1, `[`, `]`)},
		"objects in arrays too deep": {`{}`, `{"a":` + deep(MaxDepth/2, `[{"a":`, `}]`) + `}`},
	} {
		var wrong *Error
		if got, err := Apply([]byte(tt[0]), []byte(tt[1])); !errors.As(err, &wrong) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, patch := range []string{deep(MaxDepth, `{"a":`, `}`), deep(MaxDepth, `[`, `]`)} {
		if got, err := Apply([]byte(`{"a":{"a":2}}`), []byte(patch)); err != nil || string(got) != patch {
			t.Errorf("%.20s: %s, %v", patch, got, err)
		}
	}
}

func numbered(n int) (members []string) {
	for i := range n {
		members = append(members, fmt.Sprintf(`"%d":0`, i))
	}
	return members
}

// reference is RFC 7396 section 2 on decoded values.
func reference(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for name, v := range t {
			out[name] = v
		}
	}
	for name, v := range p {
		if v == nil {
			delete(out, name)
		} else {
			out[name] = reference(out[name], v)
		}
	}
	return out
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	return v, d.Decode(&v)
}

// FuzzApply: for accepted input the result means what the reference says, contains
// every scalar and array byte for byte, and does not change when the patch is
// applied again.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1.0}}`), []byte(`{"a":{"b":null,"c":[null]}}`))
	f.Fuzz(func(t *testing.T, document, patch []byte) {
		before := string(document) + string(patch)
		got, err := Apply(document, patch)
		if string(document)+string(patch) != before {
			t.Fatal("an argument was changed")
		}
		if err != nil {
			return
		}
		doc, err1 := decode(document)
		change, err2 := decode(patch)
		have, err3 := decode(got)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatalf("%s: %v, %v, %v", got, err1, err2, err3)
		}
		// encoding/json decodes all bytes that are not UTF-8 to the same character.
		if want := reference(doc, change); utf8.ValidString(before) && !reflect.DeepEqual(have, want) {
			t.Fatalf("%s with %s is %s, want %v", document, patch, got, want)
		}
		leaves(t, string(got), patch)
		again, err := Apply(got, patch)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%s again: %s, %v", got, again, err)
		}
	})
}

// leaves checks that the values of a patch are in the result as they were written.
func leaves(t *testing.T, got string, patch []byte) {
	t.Helper()
	v, err := parse(patch, "")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(v value)
	walk = func(v value) {
		switch {
		case v.object == nil && !v.isNull() && !strings.Contains(got, string(v.raw)):
			t.Fatalf("%s is not in %s", v.raw, got)
		case v.object != nil:
			for i := range v.object.members {
				walk(v.object.members[i].value)
			}
		}
	}
	walk(v)
}
