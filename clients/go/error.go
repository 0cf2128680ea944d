package castgate

import (
	"errors"
	"fmt"
)

// Codes of this package, beside those of the gateway's problems.
const (
	// CodeUnreachable: there is no connection, or it broke before the answer was
	// complete.
	CodeUnreachable = "unreachable"
	// CodeMalformed: the answer is not one of castgate, perhaps of a proxy.
	CodeMalformed = "malformed"
	// CodeInvalidAddress: the address given to New is wrong.
	CodeInvalidAddress = "invalid_address"
	// CodeCanceled: the context ended.
	CodeCanceled = "canceled"
	// CodeWebhookHeader: a header of a signature is missing.
	CodeWebhookHeader = "webhook_header"
	// CodeWebhookTimestamp: the event is too old, or from the future.
	CodeWebhookTimestamp = "webhook_timestamp"
	// CodeWebhookSignature: no signature fits.
	CodeWebhookSignature = "webhook_signature"
	// CodeWebhookSecret: a secret is not in base64, or there is none.
	CodeWebhookSecret = "webhook_secret"
)

// Error is every failure of this package.
type Error struct {
	// Code is stable, for programs: one of the Code constants.
	Code string
	// Status is the HTTP status, 0 if there was no answer. With CodeTimeout it
	// tells whose limit it was: 408 the gateway's, 0 Options.Timeout.
	Status int
	// Detail is for humans, and may change.
	Detail string
	// Sent tells that the call may have been executed although it failed.
	Sent bool
	// Err is the cause, if there is one.
	Err error
}

// Error implements the error interface.
func (e *Error) Error() string { return fmt.Sprintf("castgate: %s [%s]", e.Detail, e.Code) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Code returns the code of an error of this package, "" for others and for nil.
func Code(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
