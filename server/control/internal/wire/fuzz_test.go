package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"unicode/utf8"

	"castgate/server/gateway"
)

// reference is a command as encoding/json understands it.
type reference struct {
	Op        *string         `json:"op,omitempty"`
	ClientID  *string         `json:"client_id,omitempty"`
	UID       *string         `json:"uid,omitempty"`
	Exclusive *string         `json:"exclusive,omitempty"`
	ClientIDs []string        `json:"client_ids,omitempty"`
	UIDs      []string        `json:"uids,omitempty"`
	Groups    []string        `json:"groups,omitempty"`
	All       *bool           `json:"all,omitempty"`
	To        *targets        `json:"to,omitempty"`
	Exclude   *targets        `json:"exclude,omitempty"`
	Text      *string         `json:"text,omitempty"`
	JSON      json.RawMessage `json:"json,omitempty"`
	Base64    *[]byte         `json:"base64,omitempty"`
	Wait      *string         `json:"wait,omitempty"`
	Code      whole           `json:"code,omitempty"`
	Reason    *string         `json:"reason,omitempty"`
	Session   json.RawMessage `json:"session,omitempty"`
}

// whole is a JSON number that is an integer, however it is written.
type whole int

// UnmarshalJSON implements json.Unmarshaler.
func (w *whole) UnmarshalJSON(b []byte) error {
	var exact big.Rat
	if _, ok := exact.SetString(string(b)); !ok || !exact.IsInt() || !exact.Num().IsInt64() {
		return fmt.Errorf("%s is no integer", b)
	}
	*w = whole(exact.Num().Int64())
	return nil
}

type targets struct {
	ClientIDs []string `json:"client_ids,omitempty"`
	UIDs      []string `json:"uids,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	All       bool     `json:"all,omitempty"`
}

// command is the reference as a Command.
func (r *reference) command() *Command {
	var c Command
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&c.Op, r.Op)
	set(&c.ClientID, r.ClientID)
	set(&c.UID, r.UID)
	set(&c.Reason, r.Reason)
	set(&c.Text, r.Text)
	c.KickOld, c.Wait, c.Code = r.Exclusive != nil, r.Wait != nil, int(r.Code)
	c.Top = gateway.Targets{ClientIDs: r.ClientIDs, UIDs: r.UIDs, Groups: r.Groups, All: r.All != nil && *r.All}
	if r.To != nil {
		c.To = gateway.Targets{ClientIDs: r.To.ClientIDs, UIDs: r.To.UIDs, Groups: r.To.Groups, All: r.To.All}
	}
	if r.Exclude != nil {
		c.ExcludeClientIDs, c.ExcludeUIDs = r.Exclude.ClientIDs, r.Exclude.UIDs
	}
	switch {
	case r.Text != nil:
		c.Payload = []byte(*r.Text)
	case r.JSON != nil:
		var compact bytes.Buffer
		if err := json.Compact(&compact, r.JSON); err != nil {
			panic(err)
		}
		c.Payload = compact.Bytes()
	case r.Base64 != nil:
		c.Payload, c.Binary = *r.Base64, true
	}
	c.Session = r.Session
	return &c
}

// FuzzCommand decodes bodies of every operation, with and without the field op,
// and compares what is accepted with encoding/json.
func FuzzCommand(f *testing.F) {
	for i, body := range []string{
		`{"client_id":"c","uid":"\u00fc\ud83d\ude00","groups":["g"],"exclusive":"kick_old"}`,
		`{"client_id":"c"}`,
		`{"client_ids":["c"],"uids":["u"],"groups":["g"]}`,
		`{"uids":["u"],"groups":["g"]}`,
		`{"groups":["g"]}`,
		`{"to":{"uids":["u"],"all":true},"exclude":{"client_ids":["c"]},"json":{"a": [1e-5, true, "\n"]},"wait":"written"}`,
		`{"all":true,"code":4000,"reason":"r","text":"t"}`,
		`{"all":true,"code":400.0e1}`,
		`{"client_ids":["c"],"uids":["u"]}`,
		`{"groups":["g"],"uids":["u"]}`,
		`{"client_id":"c","session":{"a":{"b":null}}}`,
		`{"client_id":"c","session":{}}`,
		`{"op":"push","to":{"groups":["g"]},"base64":"AAEC"}`,
		`{"op":"kick","uids":["u"],"text":"\ud800"}`,
	} {
		f.Add(uint8(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		var op *Op
		if n := int(which) % (len(Ops) + 1); n < len(Ops) {
			op = Ops[n]
		}
		var c Command
		mine := bytes.Clone(body)
		if err := c.Decode(mine, op); err != nil {
			if code(err) == "" || err.(*Fault).Detail == "" {
				t.Fatalf("%q: %#v is no fault with a code and a detail", body, err)
			}
			if code(err) == CodeInvalidJSON && json.Valid(body) && utf8.Valid(body) {
				t.Fatalf("%q: %v, but it is valid", body, err)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("%q was accepted, but is not valid", body)
		}
		var r reference
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%q was accepted, but encoding/json says %v", body, err)
		}
		want := show(r.command())
		if got := show(&c); got != want {
			t.Fatalf("%q:\n%s, encoding/json has\n%s", body, got, want)
		}
		// An accepted command is accepted again in another encoding, with the
		// same meaning.
		again, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Decode(bytes.Clone(again), op); err != nil && !emptied(&r, err) {
			t.Fatalf("%q, encoded again as %q: %v", body, again, err)
		} else if got := show(&c); err == nil && got != want && r.JSON == nil && r.Session == nil {
			t.Fatalf("%q, encoded again as %q:\n%s, want\n%s", body, again, got, want)
		}
	})
}

// emptied reports whether a fault comes from omitempty, which drops empty lists
// of required fields.
func emptied(r *reference, err error) bool {
	return code(err) == CodeNoTarget || code(err) == CodeMissingField && len(r.Groups)*len(r.UIDs) == 0
}

// FuzzBatch splits bodies both ways and decodes all parts. What SplitBatch
// accepts must be what encoding/json finds in the envelope.
func FuzzBatch(f *testing.F) {
	for _, body := range []string{
		`{"commands":[{"op":"bind","client_id":"c","uid":"u"},{"op":"push","to":{"all":true},"text":"x"}]}`,
		`{"commands":[{"op":"x","op":"y"},5,null]}`,
		"{\"op\":\"unbind\",\"client_id\":\"c\"}\n\n{\"op\":\"online\"}\r\n",
		`{"commands":[`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c Command
		mine := bytes.Clone(body)
		spans, err := c.SplitBatch(mine, nil)
		if err == nil {
			var envelope struct{ Commands []json.RawMessage }
			if err := json.Unmarshal(body, &envelope); err != nil {
				t.Fatalf("%q was accepted, but encoding/json says %v", body, err)
			}
			if len(spans) != len(envelope.Commands) {
				t.Fatalf("%q: %d commands, want %d", body, len(spans), len(envelope.Commands))
			}
			for i, s := range spans {
				if part := mine[s.Start:s.End]; !bytes.Equal(part, envelope.Commands[i]) {
					t.Fatalf("%q: command %d is %q, want %q", body, i, part, envelope.Commands[i])
				}
			}
		} else if code(err) == CodeInvalidJSON && json.Valid(body) && utf8.Valid(body) {
			t.Fatalf("%q: %v, but it is valid", body, err)
		}
		for _, s := range spans {
			_ = c.Decode(mine[s.Start:s.End], nil)
		}
		mine = bytes.Clone(body)
		spans, err = SplitLines(mine, nil)
		if err != nil && code(err) != CodeTooMany {
			t.Fatal(err)
		}
		for _, s := range spans {
			_ = c.Decode(mine[s.Start:s.End], nil)
		}
	})
}

// FuzzAppendString: the result is JSON with the same meaning.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\r\t\x00\x1f/<>&\u2028ü😀")
	f.Add("\xff\xfe half \xc3")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		out := AppendString(nil, s)
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %s: %v", s, out, err)
		}
		if utf8.ValidString(s) && back != s {
			t.Fatalf("%q came back as %q", s, back)
		}
		if !utf8.Valid(out) {
			t.Fatalf("%q: %q is not UTF-8", s, out)
		}
	})
}

// Names that are not UTF-8, as PHP may give them, stay different.
func TestAppendStringThatIsNoText(t *testing.T) {
	for name, want := range map[string]string{"\xff": "\"\uFFFDff\"", "a\xc3b": "\"a\uFFFDc3b\"", "\uFFFD": "\"\uFFFD\""} {
		if got := string(AppendString(nil, name)); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
