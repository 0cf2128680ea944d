package decoderbench

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bytedance/sonic"
	v2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"

	"castgate/server/control/internal/wire"
)

type targets struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
	All       bool     `json:"all"`
}

type push struct {
	To      targets            `json:"to"`
	Exclude targets            `json:"exclude"`
	Text    *string            `json:"text"`
	JSON    stdjson.RawMessage `json:"json"`
	Base64  *string            `json:"base64"`
	Wait    *string            `json:"wait"`
}

type bind struct {
	ClientID  string   `json:"client_id"`
	UID       string   `json:"uid"`
	Groups    []string `json:"groups"`
	Exclusive *string  `json:"exclusive"`
}

// command is a command of the batch, which only binds.
type command struct {
	Op string `json:"op"`
	bind
}

type batch struct {
	Commands []command `json:"commands"`
}

// bodies are as backends send them.
func bodies() []struct{ name, text string } {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf(`{"op":"bind","client_id":"00000001000%05x7f3a9c","uid":"user-%d","groups":["room-%d","lobby"]}`, i, i, i%50))
	}
	return []struct{ name, text string }{
		{"push", `{"to":{"uids":["user-4711"]},"text":"{\"type\":\"chat\",\"from\":\"ann\",\"body\":\"gr\u00fc\u00dfe und 100 more bytes of what people write to each other all day long\"}"}`},
		{"pushjson", `{"to":{"groups":["room-7"]},"exclude":{"client_ids":["0000000100003e7f3a9c"]},"json":{"type":"move","x":12.5,"y":-3,"players":[{"id":1,"name":"ann"},{"id":2,"name":"bob"}]}}`},
		{"bind", `{"client_id":"0000000100003e7f3a9c","uid":"user-4711","groups":["room-7","lobby"],"exclusive":"kick_old"}`},
		{"batch1000", `{"commands":[` + strings.Join(all, ",") + `]}`},
	}
}

// target is the value that a body is decoded into.
func target(name string) any {
	switch name {
	case "bind":
		return &bind{}
	case "batch1000":
		return &batch{}
	}
	return &push{}
}

// strictSonic is sonic in its strictest configuration.
var strictSonic = sonic.Config{DisallowUnknownFields: true, ValidateString: true, CopyString: true}.Froze()

var decoders = []struct {
	name   string
	decode func(body []byte, v any) error
}{
	{"std", func(body []byte, v any) error {
		d := stdjson.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		return d.Decode(v)
	}},
	{"jsonv2", func(body []byte, v any) error { return v2.Unmarshal(body, v, v2.RejectUnknownMembers(true)) }},
	{"goccy", func(body []byte, v any) error {
		d := goccy.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		return d.Decode(v)
	}},
	{"sonic", strictSonic.Unmarshal},
}

// own decodes a body as the control port does.
func own(c *wire.Command, spans *[]wire.Span, name string, body []byte) (err error) {
	switch name {
	case "bind":
		return c.Decode(body, wire.Bind)
	case "batch1000":
		*spans, err = c.SplitBatch(body, (*spans)[:0])
		for _, s := range *spans {
			if err == nil {
				err = c.Decode(body[s.Start:s.End], nil)
			}
		}
		return err
	}
	return c.Decode(body, wire.Push)
}

func BenchmarkDecode(b *testing.B) {
	for _, body := range bodies() {
		for _, d := range decoders {
			b.Run(body.name+"/"+d.name, func(b *testing.B) {
				text := []byte(body.text)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if err := d.decode(text, target(body.name)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(body.name+"/wire", func(b *testing.B) {
			var c wire.Command
			var spans []wire.Span
			text := make([]byte, len(body.text))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				copy(text, body.text) // it is decoded in place
				if err := own(&c, &spans, body.name, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestStrictness shows what each decoder accepts that the control API must not;
// only wire accepts none of it.
func TestStrictness(t *testing.T) {
	for what, body := range map[string]string{
		"unknown field":      `{"to":{"all":true},"text":"x","colour":1}`,
		"name in other case": `{"TO":{"all":true},"text":"x"}`,
		"duplicate name":     `{"to":{"all":true},"text":"x","text":"y"}`,
		"duplicate within":   `{"to":{"all":true},"json":{"a":1,"a":2}}`,
		"invalid UTF-8":      "{\"to\":{\"all\":true},\"text\":\"\xff\"}",
		"half a pair":        `{"to":{"all":true},"text":"\ud800"}`,
		"trailing garbage":   `{"to":{"all":true},"text":"x"} {}`,
		"control character":  "{\"to\":{\"all\":true},\"text\":\"\x01\"}",
		"null for a list":    `{"to":{"uids":null,"all":true},"text":"x"}`,
		"nested a lot":       `{"to":{"all":true},"json":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
	} {
		var pass []string
		for _, d := range decoders {
			if d.decode([]byte(body), &push{}) == nil {
				pass = append(pass, d.name)
			}
		}
		var c wire.Command
		if err := c.Decode([]byte(body), wire.Push); err == nil {
			t.Errorf("%s: wire lets it pass", what)
		}
		t.Logf("%-20s passes %v", what, pass)
	}
}
