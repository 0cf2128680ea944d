package control

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

const problemType = "application/problem+json"

// The codes of the port itself; wire and gateway have their own.
const (
	codeBadRequest       = "bad_request"
	codeUnknownParameter = "unknown_parameter"
	codeInvalidParameter = "invalid_parameter"
	codeUnauthorized     = access.CodeUnauthorized
	codeBrowser          = access.CodeBrowser
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeTimeout          = "timeout"
	codeLengthRequired   = "length_required"
	codeBodyTooLarge     = "body_too_large"
	codeMediaType        = "unsupported_media_type"
	codeHeadTooLarge     = "header_too_large"
	codeInternal         = "internal"
	codeNotReady         = "not_ready"
	codeTooManyConns     = "too_many_connections"
	codeHTTPVersion      = "http_version"
	codeForbidden        = "forbidden"
	codeReloadRefused    = "reload_refused"
	codeAnswerTooLarge   = "answer_too_large"
	codeDeadline         = string(gateway.CodeDeadline)
)

// statuses maps every error code to its status. The OpenAPI document is made
// from the same table.
var statuses = map[string]int{
	wire.CodeInvalidJSON:     400,
	wire.CodeInvalidUTF8:     400, // also the gateway's
	wire.CodeTooDeep:         400,
	wire.CodeDuplicateField:  400,
	wire.CodeUnknownField:    400,
	wire.CodeMissingField:    400,
	wire.CodeWrongType:       400,
	wire.CodeInvalidValue:    400,
	wire.CodeInvalidBase64:   400,
	wire.CodeInvalidClose:    400, // also the gateway's
	wire.CodeTooMany:         400,
	wire.CodeNoTarget:        400,
	wire.CodeNoPayload:       400,
	wire.CodeSeveralPayloads: 400,
	wire.CodeUnknownOp:       400,

	string(gateway.CodeUnknownClient):   404,
	string(gateway.CodeInvalidName):     400,
	string(gateway.CodeInvalidReason):   400,
	string(gateway.CodeInvalidSession):  400,
	string(gateway.CodeSessionTooLarge): 413,
	string(gateway.CodeInvalidCursor):   400,
	string(gateway.CodeInvalidLimit):    400,
	string(gateway.CodeTooManyGroups):   400,
	string(gateway.CodeEventGone):       410,
	string(gateway.CodeBusy):            503,
	string(gateway.CodeStopping):        503,
	string(gateway.CodeUnreachable):     503,
	string(gateway.CodeTooLarge):        413,
	codeDeadline:                        503,

	codeBadRequest:       400,
	codeUnknownParameter: 400,
	codeInvalidParameter: 400,
	codeUnauthorized:     401,
	codeBrowser:          403,
	codeForbidden:        403,
	codeNotFound:         404,
	codeMethodNotAllowed: 405,
	codeTimeout:          408,
	codeReloadRefused:    409,
	codeLengthRequired:   411,
	codeBodyTooLarge:     413,
	codeMediaType:        415,
	codeHeadTooLarge:     431,
	codeInternal:         500,
	codeAnswerTooLarge:   503, // of a command in a batch
	codeNotReady:         503,
	codeTooManyConns:     503,
	codeHTTPVersion:      505,
}

// problemOf returns what an error of a verb tells its caller.
func problemOf(err error) (status int, code, detail string) {
	var fault *wire.Fault
	var gateway *gateway.Error
	switch {
	case errors.As(err, &fault):
		code, detail = fault.Code, fault.Detail
	case errors.As(err, &gateway):
		code, detail = string(gateway.Code), gateway.Detail
	}
	if status = statuses[code]; status == 0 {
		return 500, codeInternal, "the gateway returned an unexpected error"
	}
	return status, code, detail
}

// appendProblem appends a problem document (RFC 9457). Its type is about:blank,
// so the title is that of the status.
func appendProblem(dst []byte, status int, code, detail string) []byte {
	dst = append(dst, `{"type":"about:blank","title":`...)
	dst = wire.AppendString(dst, fasthttp.StatusMessage(status))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"code":`...)
	dst = wire.AppendString(dst, code)
	dst = append(dst, `,"detail":`...)
	dst = wire.AppendString(dst, detail)
	return append(dst, '}')
}

// Answers to connections that no request came over.
var (
	answerFull = responseOf(503, codeTooManyConns, "the control port is at its connection limit (control-max-conns) and no connection could make room", "Retry-After: 1\r\n")

	answerPlaintext = responseOf(400, codeBadRequest, "this port speaks TLS: use https", "")
)

// responseOf is a whole response with a problem, with additional header fields.
// It ends its connection.
func responseOf(status int, code, detail, fields string) []byte {
	body := appendProblem(nil, status, code, detail)
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		status, fasthttp.StatusMessage(status), problemType, len(body), fields, body)
}

// fail answers with an error.
func (s *Server) fail(ctx *fasthttp.RequestCtx, err error) {
	status, code, detail := problemOf(err)
	if status == 500 && code == codeInternal {
		s.log.Error("a control request failed", "err", err)
	}
	ctx.SetStatusCode(status)
	h := &ctx.Response.Header
	h.SetContentType(problemType)
	switch status {
	case fasthttp.StatusUnauthorized:
		h.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="castgate"`)
	case fasthttp.StatusServiceUnavailable:
		h.Set(fasthttp.HeaderRetryAfter, "1")
	}
	ctx.Response.SetBodyRaw(appendProblem(nil, status, code, detail))
}
