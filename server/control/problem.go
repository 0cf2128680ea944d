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

// meanings say of each code what has happened and what to do, for people. They are in the
// OpenAPI document as x-code-meanings, and docs/errors.md is made from them.
var meanings = map[string]string{
	wire.CodeInvalidJSON:     "The body is not JSON. The detail says where.",
	wire.CodeInvalidUTF8:     "A text is not UTF-8. Send bytes as base64 or to /v1/push/raw with binary=1.",
	wire.CodeTooDeep:         "The body is nested deeper than any request needs.",
	wire.CodeDuplicateField:  "A field stands twice in one object, and it is not clear which one counts.",
	wire.CodeUnknownField:    "The request has no such field. The detail names it: it is often a spelling mistake.",
	wire.CodeMissingField:    "A field that the request needs is missing. The detail names it.",
	wire.CodeWrongType:       "A field has a value of another type, such as a number where a text is expected.",
	wire.CodeInvalidValue:    "A field has a value that it cannot have. The detail says which are allowed.",
	wire.CodeInvalidBase64:   "The field base64 is not standard base64 with padding.",
	wire.CodeInvalidClose:    "A kick may carry the codes 1000 and 3000 to 4999 only.",
	wire.CodeTooMany:         "A list has more items than one request may have. Send several requests.",
	wire.CodeNoTarget:        "Nobody is named. To reach everybody, say so: \"all\": true.",
	wire.CodeNoPayload:       "A push needs one of text, json and base64.",
	wire.CodeSeveralPayloads: "A push has more than one of text, json and base64.",
	wire.CodeUnknownOp:       "A command of a batch has an op that there is not.",

	string(gateway.CodeUnknownClient):   "No client has this id: it has left, or the id is of another gateway or an earlier process. The page connects again and gets a new id.",
	string(gateway.CodeInvalidName):     "A uid or group is empty or too long.",
	string(gateway.CodeInvalidReason):   "The reason of a close is longer than 123 bytes, or not UTF-8.",
	string(gateway.CodeInvalidSession):  "A session is a JSON object.",
	string(gateway.CodeSessionTooLarge): "The session would be larger than a client may have.",
	string(gateway.CodeInvalidCursor):   "The cursor is not one that an earlier page has given. Begin without one.",
	string(gateway.CodeInvalidLimit):    "The limit of a page is out of range.",
	string(gateway.CodeTooManyGroups):   "The client would be in more groups than one client may be in.",
	string(gateway.CodeEventGone):       "The events from this number on are not kept any more. Take the state from a listing, and go on from there.",
	string(gateway.CodeBusy):            "The event loops have as many bytes of pushes waiting as push-queue allows. Nothing was sent. Try again after a second.",
	string(gateway.CodeStopping):        "The gateway is shutting down. Send to another one, or try again when its successor is there.",
	string(gateway.CodeUnreachable):     "A node of the cluster does not answer. The request may have been carried out there.",
	string(gateway.CodeTooLarge):        "The message is larger than what one node of a cluster can send another.",
	codeDeadline:                        "The request took longer than control-timeout. A push or kick had no effect. Of a change of groups, part may have been made: repeat it.",

	codeBadRequest:       "The bytes are not an HTTP request. The detail says why.",
	codeUnknownParameter: "The request has no such query parameter. The detail names it.",
	codeInvalidParameter: "A query parameter has a value that it cannot have.",
	codeUnauthorized:     "The key is missing or wrong. Send Authorization: Bearer KEY.",
	codeBrowser:          "A page in a browser may not do this: there are no keys, or its origin is not in control-cors-origins.",
	codeForbidden:        "The key does not have the scope that the request needs. castgate key list shows what it has.",
	codeNotFound:         "There is no such path.",
	codeMethodNotAllowed: "The path has another method. The Allow header names it.",
	codeTimeout:          "The request did not arrive within control-read-timeout.",
	codeReloadRefused:    "The new configuration has a mistake, so nothing was changed. The detail says which; the log has it too.",
	codeLengthRequired:   "The request has a body and no Content-Length.",
	codeBodyTooLarge:     "The body is larger than control-max-body.",
	codeMediaType:        "The Content-Type is not application/json.",
	codeHeadTooLarge:     "The request line and headers are too large.",
	codeInternal:         "A defect in castgate. The log has the details: please report it.",
	codeAnswerTooLarge:   "The answers of the commands before this one in the batch are too large together. It was not carried out.",
	codeNotReady:         "The gateway is starting or stopping.",
	codeTooManyConns:     "All connections of the control port are in use (control-max-conns). Keep connections open and share them.",
	codeHTTPVersion:      "The port speaks HTTP/1.1 and 1.0.",
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
