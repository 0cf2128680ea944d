package wire

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"castgate/server/gateway"
)

func code(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

func TestDecode(t *testing.T) {
	var c Command
	for _, tt := range []struct {
		op   *Op
		body string
		want Command
	}{
		{Bind, `{"client_id":"c","uid":"u","groups":["g","h"],"exclusive":"kick_old"}`,
			Command{ClientID: "c", UID: "u", KickOld: true, Top: gateway.Targets{Groups: []string{"g", "h"}}}},
		{Bind, ` { "uid" : "\u00fc\ud83d\ude00\n\/\\" , "client_id" : "" } `, Command{UID: "ü😀\n/\\"}},
		{Bind, `{"\u0075id":"a\u0000b","client_id":"c"}`, Command{ClientID: "c", UID: "a\x00b"}},
		{Join, `{"client_ids":[],"uids":["u"],"groups":["g"]}`,
			Command{Top: gateway.Targets{UIDs: []string{"u"}, Groups: []string{"g"}}}},
		{Push, `{"to":{"uids":["u"],"all":false},"text":""}`, Command{To: gateway.Targets{UIDs: []string{"u"}}}},
		{Push, `{"to":{"all":true},"json":{"a": [1, "b c\" ", null]},"wait":"written"}`,
			Command{To: gateway.Targets{All: true}, Payload: []byte(`{"a":[1,"b c\" ",null]}`), Wait: true}},
		{Push, `{"to":{"all":true},"json": null ,"exclude":{"client_ids":["c"],"uids":["u"]}}`,
			Command{To: gateway.Targets{All: true}, Payload: []byte(`null`), ExcludeClientIDs: []string{"c"}, ExcludeUIDs: []string{"u"}}},
		{Push, `{"to":{"client_ids":["c"],"groups":["g"]},"base64":"AAECwyg="}`,
			Command{To: gateway.Targets{ClientIDs: []string{"c"}, Groups: []string{"g"}}, Payload: []byte{0, 1, 2, 0xc3, 0x28}, Binary: true}},
		{Push, `{"to":{"all":true},"base64":""}`, Command{To: gateway.Targets{All: true}, Binary: true}},
		{Kick, `{"all":true,"code":4000,"reason":"bye","text":"so\tlong"}`,
			Command{Top: gateway.Targets{All: true}, Code: 4000, Reason: "bye", Text: "so\tlong"}},
		{Kick, `{"all":true,"code":4000.0}`, Command{Top: gateway.Targets{All: true}, Code: 4000}},
		{Kick, `{"all":true,"code":0.1e+4}`, Command{Top: gateway.Targets{All: true}, Code: 1000}},
		{Push, `{"to":{"uids":[],"all":false},"text":""}`, Command{}},
		{Kick, `{"groups":[]}`, Command{}},
		{Kick, `{"to":{"groups":["g"]},"exclude":{"uids":["u"]}}`,
			Command{To: gateway.Targets{Groups: []string{"g"}}, ExcludeUIDs: []string{"u"}}},
		{nil, `{"session":{"a":1},"op":"put_session","client_id":"c"}`,
			Command{Op: "put_session", ClientID: "c", Session: []byte(`{"a":1}`)}},
	} {
		if err := c.Decode([]byte(tt.body), tt.op); err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if tt.want.Text != "" {
			tt.want.Payload = []byte(tt.want.Text)
		}
		if got, want := show(&c), show(&tt.want); got != want {
			t.Errorf("%s:\n%s, want\n%s", tt.body, got, want)
		}
	}
}

// show formats a command. Empty and nil lists are the same.
func show(c *Command) string {
	list := func(t *gateway.Targets) string {
		return fmt.Sprintf("{%q %q %q %v}", t.ClientIDs, t.UIDs, t.Groups, t.All)
	}
	return fmt.Sprintf("%q %q %q %v %s %s %q %q %q %v %v %d %q %q %q", c.Op, c.ClientID, c.UID, c.KickOld, list(&c.Top), list(&c.To),
		c.ExcludeClientIDs, c.ExcludeUIDs, c.Payload, c.Binary, c.Wait, c.Code, c.Reason, c.Text, c.Session)
}

func TestDecodeRefuses(t *testing.T) {
	long := `["x"` + strings.Repeat(`,"x"`, MaxNames) + `]`
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	many := `{"a":1`
	for i := range 40 {
		many += fmt.Sprintf(`,"n%d":0`, i)
	}
	var c Command
	for _, tt := range []struct {
		op         *Op
		body, code string
		detail     string // a part of it
	}{
		{Bind, ``, CodeInvalidJSON, "ends early"},
		{Bind, `{`, CodeInvalidJSON, "ends early"},
		{Bind, `null`, CodeWrongType, "the body must be an object, not null"},
		{Bind, `[]`, CodeWrongType, "an array"},
		{Bind, `nul`, CodeInvalidJSON, ""},
		{Bind, `{"client_id":"c","uid":"u"}x`, CodeInvalidJSON, `"x"`},
		{Bind, `{"client_id":"c","uid":"u"}{}`, CodeInvalidJSON, "after the end"},
		{Bind, `{"client_id":"c" "uid":"u"}`, CodeInvalidJSON, "comma"},
		{Bind, `{"client_id":"c","uid":"u",}`, CodeInvalidJSON, "where a field name is expected"},
		{Bind, `{"client_id" "c"}`, CodeInvalidJSON, "colon"},
		{Bind, `{"client_id":"c","uid":5}`, CodeWrongType, "uid must be a string, not a number"},
		{Bind, `{"client_id":"c","uid":null}`, CodeWrongType, "uid must be a string, not null"},
		{Bind, `{"client_id":"c","uid":01}`, CodeWrongType, "uid"},
		{Bind, `{"client_id":"c","uid":"u","groups":"g"}`, CodeWrongType, "groups must be an array of strings, not a string"},
		{Bind, `{"client_id":"c","uid":"u","groups":["g",{}]}`, CodeWrongType, "groups[1] must be a string, not an object"},
		{Bind, `{"client_id":"c","uid":"u","groups":["g",]}`, CodeInvalidJSON, ""},
		{Bind, `{"client_id":"c","uid":"u","colour":"red"}`, CodeUnknownField, `"colour"`},
		{Bind, `{"client_id":"c","uid":"u","op":"bind"}`, CodeUnknownField, `"op"`},
		{Bind, `{"client_id":"c","UID":"u"}`, CodeUnknownField, `"UID"`},
		{Bind, `{"client_id":"c"}`, CodeMissingField, "uid is missing"},
		{Bind, `{"client_id":"c","uid":"u","\u0075id":"v"}`, CodeDuplicateField, "uid"},
		{Bind, `{"client_id":"c","uid":"u","exclusive":"maybe"}`, CodeInvalidValue, `"kick_old"`},
		{Bind, "{\"client_id\":\"c\",\"uid\":\"a\xffb\"}", CodeInvalidUTF8, "uid"},
		{Bind, `{"client_id":"c","uid":"\ud800"}`, CodeInvalidUTF8, "uid"},
		{Bind, `{"client_id":"c","uid":"\ud800\u0041"}`, CodeInvalidUTF8, "uid"},
		{Bind, `{"client_id":"c","uid":"\udc00\ud800"}`, CodeInvalidUTF8, "uid"},
		{Bind, "{\"client_id\":\"c\",\"uid\":\"a\x00b\"}", CodeInvalidJSON, "control characters"},
		{Bind, `{"client_id":"c","uid":"\x"}`, CodeInvalidJSON, "in an escape"},
		{Bind, `{"client_id":"c","uid":"\u12g4"}`, CodeInvalidJSON, `"g"`},
		{Bind, `{"client_id":"c","uid":"\u12`, CodeInvalidJSON, "ends early"},
		{Bind, `{"client_id":"c","uid":"\`, CodeInvalidJSON, "ends early"},
		{Bind, `{"client_id":"c","uid":"` + strings.Repeat("long enough for words ", 3), CodeInvalidJSON, "ends early"},
		{Join, `{"uids":` + long + `,"groups":["g"]}`, CodeTooMany, "uids has more than 10000"},
		{Join, `{"uids":["u"]}`, CodeMissingField, "groups"},
		{Push, `{"to":{},"text":"x"}`, CodeNoTarget, "to names no target"},
		{Push, `{"to":{"all":false},"text":"x"}`, CodeNoTarget, ""},
		{Push, `{"uids":["u"],"text":"x"}`, CodeUnknownField, "known fields: to, exclude, text, json, base64, wait"},
		{Kick, `{"to":{"uids":["u"]},"all":true}`, CodeInvalidValue, "all is not inside to"},
		{Kick, `{"to":{}}`, CodeNoTarget, "to names no target"},
		{Join, `{"groups":["g"]}`, CodeNoTarget, "give client_ids, uids"},
		{Unbind, `{}`, CodeMissingField, "give one of client_id, uids"},
		{Unbind, `{"client_id":"c","uids":[]}`, CodeInvalidValue, "client_id, uids exclude each other"},
		{Push, `{"text":"x"}`, CodeMissingField, "to is missing"},
		{Push, `{"to":{"all":"yes"},"text":"x"}`, CodeWrongType, "to.all must be a boolean"},
		{Push, `{"to":{"all":tru},"text":"x"}`, CodeInvalidJSON, ""},
		{Push, `{"to":{"uid":["u"]},"text":"x"}`, CodeUnknownField, `"uid" in to`},
		{Push, `{"to":{"uids":["u"],"uids":["v"]},"text":"x"}`, CodeDuplicateField, "to.uids"},
		{Push, `{"to":{"all":true},"exclude":{"groups":["g"]},"text":"x"}`, CodeUnknownField, "in exclude"},
		{Push, `{"to":{"all":true}}`, CodeNoPayload, ""},
		{Push, `{"to":{"all":true},"text":"","json":1}`, CodeSeveralPayloads, ""},
		{Push, `{"to":{"all":true},"text":"x","wait":"read"}`, CodeInvalidValue, "wait"},
		{Push, `{"to":{"all":true},"json":}`, CodeInvalidJSON, ""},
		{Push, `{"to":{"all":true},"json":{"a":1,"a":2}}`, CodeDuplicateField, `"a"`},
		{Push, `{"to":{"all":true},"json":` + many + `,"\u0061":2}}`, CodeDuplicateField, `"a"`},
		{Push, `{"to":{"all":true},"json":` + deep + `}`, CodeTooDeep, "100"},
		{Push, `{"to":{"all":true},"base64":"%%"}`, CodeInvalidBase64, ""},
		{Push, `{"to":{"all":true},"base64":"AA"}`, CodeInvalidBase64, ""},
		{Push, `{"to":{"all":true},"base64":"AB=="}`, CodeInvalidBase64, ""},
		{Push, `{"to":{"all":true},"base64":"AAEC\nwyg="}`, CodeInvalidBase64, "line breaks"},
		{Kick, `{"code":1000}`, CodeNoTarget, "the body names no target"},
		{Kick, `{"all":true,"code":"1000"}`, CodeWrongType, "code must be an integer"},
		{Kick, `{"all":true,"code":1000.5}`, CodeWrongType, "code must be an integer"},
		{Kick, `{"all":true,"code":1e-3}`, CodeWrongType, "code must be an integer"},
		{Kick, `{"all":true,"code":1e9999}`, CodeWrongType, "code"},
		{Kick, `{"all":true,"code":0.0}`, CodeInvalidClose, "code"},
		{Kick, `{"all":true,"code":-1000.0}`, CodeInvalidClose, "code"},
		{Kick, `{"all":true,"code":7e4}`, CodeInvalidClose, "7e4"},
		{Kick, `{"all":true,"code":0}`, CodeInvalidClose, "code"},
		{Kick, `{"all":true,"code":-1}`, CodeInvalidClose, "code"},
		{Kick, `{"all":true,"code":69536}`, CodeInvalidClose, "69536"},
		{nil, `{"client_id":"c"}`, CodeMissingField, "op is missing"},
		{nil, `{"op":"dance"}`, CodeUnknownOp, `"dance"`},
		{nil, `{"op":"unbind","client_id":"c","uid":"u"}`, CodeUnknownField, `"uid" in unbind`},
		{nil, `{"op":"put_session","client_id":"c","session":[]}`, CodeWrongType, "session must be an object"},
		{nil, `{"op":"batch"}`, CodeUnknownOp, ""},
	} {
		err := c.Decode([]byte(tt.body), tt.op)
		if code(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.detail) {
			t.Errorf("%.100s: %v, want %s …%s…", tt.body, err, tt.code, tt.detail)
		}
	}
}

// TestDepth: the maximum depth is accepted.
func TestDepth(t *testing.T) {
	var c Command
	body := `{"to":{"all":true},"json":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`
	if err := c.Decode([]byte(body), Push); err != nil {
		t.Error(err)
	}
}

// TestReset: an idle command points to no body and keeps no large memory.
func TestReset(t *testing.T) {
	var c Command
	small := `{"to":{"uids":["u"]},"json":{"a": 1}}`
	if err := c.Decode([]byte(small), Push); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	if got, want := show(&c), show(&Command{}); got != want || c.Has != 0 {
		t.Errorf("after Reset: %s", got)
	}
	if u := c.To.UIDs[:1][0]; u != "" {
		t.Errorf("a list kept %q", u)
	}
	if c.scan.data != nil {
		t.Error("the scanner kept the body")
	}
	large := fmt.Sprintf(`{"to":{"uids":["u"%s]},"base64":"%s"}`, strings.Repeat(`,"u"`, 5000), strings.Repeat("AAAA", 100_000))
	if err := c.Decode([]byte(large), Push); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	if cap(c.To.UIDs) > keepNames || cap(c.scratch) > keepScratch {
		t.Errorf("kept %d names and %d bytes", cap(c.To.UIDs), cap(c.scratch))
	}
}

func TestFieldNames(t *testing.T) {
	for i, name := range fieldNames {
		if got := field(name); got != 1<<i || got.first() != name {
			t.Errorf("field %q is %b, by name %q", name, got, got.first())
		}
	}
	if allFields|FieldOp != 1<<len(fieldNames)-1 {
		t.Errorf("fields of no op: %b", (1<<len(fieldNames)-1)&^(allFields|FieldOp))
	}
}

func TestSplit(t *testing.T) {
	var c Command
	for _, tt := range []struct{ body, code string }{
		{`{"commands":[]}`, ""},
		{`{"commands":[{"op":"a"}, 5 ,"x"]}`, ""},
		{`{"commands":[{"op":"a","op":"b"}]}`, ""}, // a fault of the command, not of the batch
		{`{"commands":{}}`, CodeWrongType},
		{`{}`, CodeMissingField},
		{`{"commands":[],"commands":[]}`, CodeDuplicateField},
		{`{"commands":[],"x":1}`, CodeUnknownField},
		{`{"commands":[{]}`, CodeInvalidJSON},
		{`{"commands":[{}]`, CodeInvalidJSON},
		{`{"commands":[{}]} x`, CodeInvalidJSON},
		{`[]`, CodeWrongType},
		{`{"commands":[0` + strings.Repeat(",0", MaxCommands) + `]}`, CodeTooMany},
	} {
		if _, err := c.SplitBatch([]byte(tt.body), nil); code(err) != tt.code {
			t.Errorf("%.60s: %v, want %s", tt.body, err, tt.code)
		}
	}
	body := []byte(`{"commands":[{"op":"a"}, 5 ,"x"]}`)
	spans, err := c.SplitBatch(body, nil)
	if want := []Span{{13, 23}, {25, 26}, {28, 31}}; err != nil || !reflect.DeepEqual(spans, want) {
		t.Errorf("spans %v, %v, want %v", spans, err, want)
	}
	spans, err = SplitLines([]byte("{}\n\n \r\n{\"a\":1}\r\nx"), nil)
	if want := []Span{{0, 2}, {7, 15}, {16, 17}}; err != nil || !reflect.DeepEqual(spans, want) {
		t.Errorf("lines %v, %v, want %v", spans, err, want)
	}
	if _, err := SplitLines([]byte(strings.Repeat("x\n", MaxCommands+1)), nil); code(err) != CodeTooMany {
		t.Errorf("too many lines: %v", err)
	}
}

func TestCheckObject(t *testing.T) {
	var c Command
	if raw, err := c.CheckObject([]byte(" {\"a\": 1}\n")); err != nil || string(raw) != `{"a": 1}` {
		t.Errorf("%q, %v", raw, err)
	}
	for body, want := range map[string]string{
		`[1]`: CodeWrongType, `"x"`: CodeWrongType, `{"a":`: CodeInvalidJSON, ``: CodeInvalidJSON,
		`{} {}`: CodeInvalidJSON, `{"a":1,"a":1}`: CodeDuplicateField, `{"a":{"b":1,"\u0062":1}}`: CodeDuplicateField,
	} {
		if _, err := c.CheckObject([]byte(body)); code(err) != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
