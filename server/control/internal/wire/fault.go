package wire

import "fmt"

// The codes of faults. Like the gateway's, they are part of the contract.
const (
	CodeInvalidJSON     = "invalid_json"
	CodeInvalidUTF8     = "invalid_utf8"
	CodeTooDeep         = "too_deep"
	CodeDuplicateField  = "duplicate_field"
	CodeUnknownField    = "unknown_field"
	CodeMissingField    = "missing_field"
	CodeWrongType       = "wrong_type"
	CodeInvalidValue    = "invalid_value"
	CodeInvalidBase64   = "invalid_base64"
	CodeInvalidClose    = "invalid_close_code"
	CodeTooMany         = "too_many"
	CodeNoTarget        = "no_target"
	CodeNoPayload       = "no_payload"
	CodeSeveralPayloads = "several_payloads"
	CodeUnknownOp       = "unknown_op"
)

// Fault says why a request is refused. Code is stable, Detail is for humans.
type Fault struct {
	Code   string
	Detail string
}

// Error implements the error interface.
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Faultf makes a Fault.
func Faultf(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Detail: fmt.Sprintf(format, args...)}
}
