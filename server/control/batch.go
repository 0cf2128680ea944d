package control

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"
)

// maxCommands is how many commands one batch may have.
const maxCommands = 10_000

type batchBody struct {
	Commands []jsontext.Value `json:"commands"`
}

// serveBatch answers POST /v1/batch: commands in their order, each with its
// own reply; one that fails doesn't stop the others.
func serveBatch(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	t, _, _ := bytes.Cut(ctx.Request.Header.ContentType(), []byte(";"))
	if bytes.EqualFold(bytes.TrimSpace(t), []byte(ndjsonType)) {
		s.serveLines(ctx)
		return
	}
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	var b batchBody
	err := decode(ctx.PostBody(), &b)
	switch {
	case err != nil:
	case b.Commands == nil:
		err = badRequest("missing_field", "commands is missing")
	case len(b.Commands) > maxCommands:
		err = badRequest("too_many", "the batch has %d commands, %d are allowed", len(b.Commands), maxCommands)
	}
	if err != nil {
		s.finish(ctx, &c, err)
		return
	}
	c.out = append(c.out, `{"replies":[`...)
	for i, command := range b.Commands {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.run(command)
	}
	c.out = append(c.out, "]}"...)
	s.finish(ctx, &c, nil)
}

// serveLines answers a batch of one command a line with one reply a line.
func (s *Server) serveLines(ctx *fasthttp.RequestCtx) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	body := ctx.PostBody()
	if n := bytes.Count(body, []byte{'\n'}); n > maxCommands {
		s.finish(ctx, &c, badRequest("too_many", "the batch has %d lines, %d are allowed", n, maxCommands))
		return
	}
	for len(body) > 0 {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if line = bytes.TrimSpace(line); len(line) > 0 {
			c.run(line)
			c.out = append(c.out, '\n')
		}
	}
	ctx.SetContentType(ndjsonType)
	ctx.Response.SetBodyRaw(c.out)
}

// run carries out one command of a batch and appends its reply:
// {"status":200,"body":{…}} or {"status":4xx,"problem":{…}}.
func (c *call) run(command []byte) {
	start := len(c.out)
	c.out = append(c.out, `{"status":200,"body":`...)
	err := c.dispatch(command)
	if err == nil {
		c.out = append(c.out, '}')
		return
	}
	p := asProblem(err)
	c.out = append(c.out[:start], `{"status":`...)
	c.out = strconv.AppendInt(c.out, int64(p.status), 10)
	c.out = append(c.out, `,"problem":`...)
	c.out = append(append(c.out, p.json()...), '}')
}

func (c *call) dispatch(command []byte) error {
	var head struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(command, &head); err != nil {
		return decodeProblem(err)
	}
	v, ok := verbs[head.Op]
	if !ok {
		return badRequest("unknown_op", "op %.64q is none of this API", head.Op)
	}
	one := *c
	one.body, one.inBatch = command, true
	err := v(&one)
	c.out = one.out
	return err
}
