package control

import (
	"context"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"castgate/server"
)

type pushBody struct {
	To      targetsBody    `json:"to"`
	Exclude excludeBody    `json:"exclude"`
	Text    *string        `json:"text"`
	JSON    jsontext.Value `json:"json"`
	Base64  *string        `json:"base64"`
	Wait    *string        `json:"wait"`
}

type targetsBody struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
	All       bool     `json:"all"`
}

type excludeBody struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
}

func (t *targetsBody) targets() (server.Targets, error) {
	err := checkLists(t.ClientIDs, t.UIDs, t.Groups)
	return server.Targets{ClientIDs: t.ClientIDs, UIDs: t.UIDs, Groups: t.Groups, All: t.All}, err
}

func push(c *call) error {
	b, err := input[pushBody](c)
	if err != nil {
		return err
	}
	p := server.Push{ExcludeClientIDs: b.Exclude.ClientIDs, ExcludeUIDs: b.Exclude.UIDs}
	if p.To, err = b.To.targets(); err != nil {
		return err
	}
	if err := checkLists(p.ExcludeClientIDs, p.ExcludeUIDs); err != nil {
		return err
	}
	if p.Payload, p.Binary, err = b.payload(); err != nil {
		return err
	}
	if b.Wait != nil && *b.Wait != "written" {
		return badRequest("invalid_value", "wait can be written only")
	}
	p.Wait = b.Wait != nil
	return c.push(p)
}

// payload answers the one payload of a push.
func (b *pushBody) payload() (payload []byte, binary bool, err error) {
	n := 0
	if b.Text != nil {
		n++
		payload = []byte(*b.Text)
	}
	if b.JSON != nil {
		n++
		if err := b.JSON.Compact(); err != nil {
			return nil, false, badRequest("invalid_json", "json: %v", err)
		}
		payload = b.JSON
	}
	if b.Base64 != nil {
		n++
		binary = true
		if payload, err = base64.StdEncoding.DecodeString(*b.Base64); err != nil {
			return nil, false, badRequest("invalid_base64", "base64 is not base64 (RFC 4648 section 4, padded)")
		}
	}
	if n != 1 {
		return nil, false, badRequest("payload", "send exactly one of text, json and base64, not %d", n)
	}
	return payload, binary, nil
}

// push hands a push to the gateway and appends the answer.
func (c *call) push(p server.Push) error {
	ctx := c.ctx
	if p.Wait {
		var cancel context.CancelFunc
		ctx, cancel = c.deadline()
		defer cancel()
	}
	r, err := c.gateway.Push(ctx, p)
	if err != nil {
		return err
	}
	c.out = strconv.AppendInt(append(c.out, `{"matched":`...), int64(r.Matched), 10)
	c.out = strconv.AppendInt(append(c.out, `,"queued":`...), int64(r.Queued), 10)
	c.out = strconv.AppendInt(append(c.out, `,"dropped":`...), int64(r.Dropped), 10)
	if p.Wait {
		c.out = strconv.AppendInt(append(c.out, `,"written":`...), int64(r.Written), 10)
	}
	c.out = append(c.out, '}')
	return nil
}

// servePushRaw answers POST /v1/push/raw: the body is the payload, the query
// says to whom.
func servePushRaw(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	p := server.Push{Payload: ctx.PostBody()}
	err := rawQuery(ctx.QueryArgs(), &p)
	if err == nil && !p.Binary && !utf8.Valid(p.Payload) {
		err = badRequest("invalid_utf8", "the body is not UTF-8; send binary=1 for a binary message")
	}
	if err == nil {
		err = c.push(p)
	}
	s.finish(ctx, &c, err)
}

// rawQuery reads the targets out of a query; its strings are copies.
func rawQuery(args *fasthttp.Args, p *server.Push) error {
	var err error
	flag := func(name, value string) bool {
		if value != "1" && err == nil {
			err = badRequest("invalid_value", "%s can be 1 only", name)
		}
		return true
	}
	for k, v := range args.All() {
		value := string(v)
		switch name := string(k); name {
		case "client_id":
			p.To.ClientIDs = append(p.To.ClientIDs, value)
		case "uid":
			p.To.UIDs = append(p.To.UIDs, value)
		case "group":
			p.To.Groups = append(p.To.Groups, value)
		case "all":
			p.To.All = flag(name, value)
		case "binary":
			p.Binary = flag(name, value)
		case "exclude_client_id":
			p.ExcludeClientIDs = append(p.ExcludeClientIDs, value)
		case "exclude_uid":
			p.ExcludeUIDs = append(p.ExcludeUIDs, value)
		case "wait":
			if p.Wait = true; value != "written" {
				return badRequest("invalid_value", "wait can be written only")
			}
		default:
			return badRequest("unknown_parameter", "the query has an unknown parameter %.64q", name)
		}
	}
	return err
}
