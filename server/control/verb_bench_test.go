package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// replies is a gateway with prepared answers, so that only the port's work
// takes time.
type replies struct {
	gateway.Gateway
	clients []bool
	uids    []int
}

func (*replies) Bind(context.Context, gateway.Bind) (gateway.BindResult, error) {
	return gateway.BindResult{PreviousUID: "user-4711", Kicked: 1}, nil
}

func (*replies) Unbind(context.Context, string) (gateway.BindResult, error) {
	return gateway.BindResult{PreviousUID: "user-4711"}, nil
}

func (*replies) Join(context.Context, gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{Changed: 2}, nil
}

func (*replies) Leave(context.Context, gateway.Membership) (gateway.MembershipResult, error) {
	return gateway.MembershipResult{Changed: 2}, nil
}

func (*replies) Ungroup(context.Context, []string) (int, error) { return 1000, nil }

func (*replies) Push(context.Context, gateway.Push) (gateway.PushResult, error) {
	return gateway.PushResult{Matched: 1000, Queued: 1000}, nil
}

func (*replies) Kick(context.Context, gateway.Kick) (int, error) { return 1, nil }

func (r *replies) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	return gateway.OnlineResult{Clients: r.clients[:len(q.ClientIDs)], UIDs: r.uids[:len(q.UIDs)]}, nil
}

func (r *replies) Counts(_ context.Context, q gateway.Counts) (gateway.CountsResult, error) {
	return gateway.CountsResult{Groups: r.uids[:len(q.Groups)], UIDs: r.uids[:len(q.UIDs)]}, nil
}

func (*replies) PutSession(_ context.Context, _ string, s json.RawMessage) (json.RawMessage, error) {
	return s, nil
}

func (*replies) PatchSession(_ context.Context, _ string, s json.RawMessage) (json.RawMessage, error) {
	return s, nil
}

const benchID = "9f86d081884c7d659a2feaa0c55ad015"

// verbBodies are bodies as backends send them, by op.
func verbBodies() map[string][]string {
	text := strings.Repeat("what people write ", 3)
	session := `{"name":"ann","roles":["reader","writer"],"seen":1790000000}`
	command := func(op string) string {
		return fmt.Sprintf(`{"op":%q,"client_id":%q,"session":%s}`, op, benchID, session)
	}
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprintf(`"user-%d"`, i))
	}
	uids := strings.Join(hundred, ",")
	return map[string][]string{
		"bind":    {`{"client_id":"` + benchID + `","uid":"user-4711","groups":["room-7","lobby"],"exclusive":"kick_old"}`},
		"unbind":  {`{"client_id":"` + benchID + `"}`},
		"join":    {`{"uids":["user-4711"],"groups":["room-7","lobby"]}`},
		"leave":   {`{"uids":["user-4711"],"groups":["room-7","lobby"]}`},
		"ungroup": {`{"groups":["room-7"]}`},
		"push": {
			`{"to":{"uids":["user-4711"]},"text":"` + text + `"}`,
			`{"to":{"groups":["room-7"]},"exclude":{"client_ids":["` + benchID + `"]},"json":{"type":"move","x":12.5,"y":-3,"players":[{"id":1},{"id":2}]}}`,
			`{"to":{"all":true},"base64":"` + strings.Repeat("AAAA", 256) + `"}`,
			`{"to":{"uids":[` + uids + `]},"text":"` + text + `"}`,
		},
		"kick":          {`{"uids":["user-4711"],"code":4000,"reason":"moved","text":"bye"}`},
		"online":        {`{"uids":["user-4711"]}`, `{"uids":[` + uids + `]}`},
		"counts":        {`{"groups":["room-7"]}`, `{"uids":[` + uids + `]}`},
		"put_session":   {command("put_session")},
		"patch_session": {command("patch_session")},
	}
}

// BenchmarkVerb decodes the body of each verb, and appends its answer.
func BenchmarkVerb(b *testing.B) {
	s, err := New(&replies{clients: make([]bool, 100), uids: make([]int, 100)}, Defaults())
	if err != nil {
		b.Fatal(err)
	}
	bodies := verbBodies()
	for _, v := range verbs {
		op := v.op
		if v.path == "" {
			op = nil // a command of a batch: the field op decides
		}
		for _, body := range bodies[v.op.Name] {
			b.Run(fmt.Sprintf("%s/decode/size=%d", v.op.Name, len(body)), func(b *testing.B) {
				var c wire.Command
				text := make([]byte, len(body))
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					copy(text, body) // it is decoded in place
					if err := c.Decode(text, op); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/encode/size=%d", v.op.Name, len(body)), func(b *testing.B) {
				c := s.newCall(request(nopConn{}, "POST", v.path, ""))
				if err := c.command.Decode([]byte(body), op); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					c.out = c.out[:0]
					if err := v.run(c); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(int64(len(c.out)))
			})
		}
	}
}

// BenchmarkBatch executes a batch of 1,000 commands, as an array and as lines.
func BenchmarkBatch(b *testing.B) {
	s, err := New(&replies{}, Defaults())
	if err != nil {
		b.Fatal(err)
	}
	commands := make([]string, 1000)
	for i := range commands {
		commands[i] = fmt.Sprintf(`{"op":"push","to":{"uids":["user-%d"]},"text":"%s"}`, i, strings.Repeat("x", 64))
	}
	for _, form := range []struct{ name, contentType, body string }{
		{"json", jsonType, `{"commands":[` + strings.Join(commands, ",") + `]}`},
		{"ndjson", ndjsonType, strings.Join(commands, "\n")},
	} {
		b.Run("form="+form.name+"/commands=1000", func(b *testing.B) {
			ctx := request(nopConn{}, "POST", "/v1/batch", form.body)
			ctx.Request.Header.SetContentType(form.contentType)
			b.SetBytes(int64(len(form.body)))
			b.ReportAllocs()
			for b.Loop() {
				ctx.Request.SetBodyString(form.body) // it is decoded in place
				ctx.Response.Reset()
				c := s.newCall(ctx)
				if err := c.letIn(); err != nil {
					b.Fatal(err)
				}
				if err := c.batch(); err != nil {
					b.Fatal(err)
				}
				c.release()
			}
			if !strings.Contains(string(ctx.Response.Body()), `"matched":1000`) {
				b.Fatalf("answer %.200s", ctx.Response.Body())
			}
		})
	}
}
