package control

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"castgate/server"
)

const problemType = "application/problem+json"

// problem is an error answer (RFC 9457). code is stable, detail is for humans.
type problem struct {
	status int
	code   string
	detail string
}

// Problems of the port itself; those of the gateway come by gatewayStatus.
var (
	problemBadRequest     = &problem{400, "bad_request", "the request is not HTTP/1.1 as RFC 9112 has it"}
	problemNoKey          = &problem{401, "unauthorized", "send a key: Authorization: Bearer <key>, or X-API-Key: <key>"}
	problemWrongKey       = &problem{401, "unauthorized", "the key is none of this gateway's"}
	problemNotFound       = &problem{404, "not_found", "there is no such path; GET /v1/openapi.json lists them"}
	problemMethod         = &problem{405, "method_not_allowed", "the path has no such method; see the Allow header"}
	problemTimeout        = &problem{408, "timeout", "the request was not complete in time"}
	problemLengthRequired = &problem{411, "length_required", "send Content-Length or a chunked body"}
	problemMediaType      = &problem{415, "unsupported_media_type", "send application/json"}
	problemHeadTooLarge   = &problem{431, "header_too_large", "the request's headers are above 16 KiB"}
	problemInternal       = &problem{500, "internal", "the gateway has a defect; its log says more"}
	problemNoConnection   = &problem{503, "too_many_connections", "the control port has all the connections it may have"}
)

func problemTooLarge(limit, size int) *problem {
	return &problem{413, "body_too_large", fmt.Sprintf("the body has %d bytes, %d are allowed (control-max-body)", size, limit)}
}

func badRequest(code, format string, args ...any) *problem {
	return &problem{400, code, fmt.Sprintf(format, args...)}
}

// Error makes a problem an error, so that verbs can return it.
func (p *problem) Error() string { return p.code + ": " + p.detail }

// gatewayStatus gives each of the gateway's codes its status.
var gatewayStatus = map[server.Code]int{
	server.CodeUnknownClient:    404,
	server.CodeInvalidName:      400,
	server.CodeInvalidUTF8:      400,
	server.CodeInvalidCloseCode: 400,
	server.CodeInvalidReason:    400,
	server.CodeInvalidSession:   400,
	server.CodeSessionTooLarge:  413,
	server.CodeInvalidCursor:    400,
	server.CodeInvalidLimit:     400,
	server.CodeNoTarget:         400,
	server.CodeTooManyGroups:    400,
	server.CodeBusy:             503,
	server.CodeStopping:         503,
}

// asProblem finds the problem in an error of a verb.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var e *server.Error
	if errors.As(err, &e) {
		if status, ok := gatewayStatus[e.Code]; ok {
			return &problem{status, string(e.Code), e.Detail}
		}
	}
	return problemInternal
}

// json answers the problem as a body.
func (p *problem) json() []byte {
	b := append([]byte(nil), `{"type":"about:blank","title":`...)
	b = appendString(b, fasthttp.StatusMessage(p.status))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"code":`...)
	b = appendString(b, p.code)
	b = append(b, `,"detail":`...)
	b = appendString(b, p.detail)
	return append(b, '}')
}

func writeProblem(ctx *fasthttp.RequestCtx, p *problem) {
	ctx.SetStatusCode(p.status)
	ctx.SetContentType(problemType)
	switch p.status {
	case fasthttp.StatusUnauthorized:
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="castgate"`)
	case fasthttp.StatusServiceUnavailable:
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	}
	ctx.SetBody(p.json())
}
