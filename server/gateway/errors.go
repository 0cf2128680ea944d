package gateway

import "fmt"

// Code names one kind of error at the Gateway border. The strings are part of
// the contract: fronts pass them on to their callers.
type Code string

// The codes a Gateway returns.
const (
	CodeUnknownClient    Code = "unknown_client"
	CodeInvalidName      Code = "invalid_name"
	CodeInvalidUTF8      Code = "invalid_utf8"
	CodeInvalidCloseCode Code = "invalid_close_code"
	CodeInvalidReason    Code = "invalid_reason"
	CodeInvalidSession   Code = "invalid_session"
	CodeSessionTooLarge  Code = "session_too_large"
	CodeInvalidCursor    Code = "invalid_cursor"
	CodeInvalidLimit     Code = "invalid_limit"
	CodeTooManyGroups    Code = "too_many_groups"
	// CodeEventGone: the event of that id is not kept any more.
	CodeEventGone Code = "event_gone"
	// CodeBusy: the mailboxes of the event loops are full. Try again in a second.
	CodeBusy Code = "busy"
	// CodeStopping: the gateway is shutting down.
	CodeStopping Code = "stopping"
	// CodeUnreachable: the node of the client is alive, as far as this one knows,
	// but does not answer. The request may have been carried out.
	CodeUnreachable Code = "node_unreachable"
	// CodeTooLarge: the message is larger than what one node can send another.
	CodeTooLarge Code = "message_too_large"
	// CodeDeadline: the context ended before the work was done. Part of a
	// change of groups may have been made; a push or kick had no effect.
	CodeDeadline Code = "deadline"
)

// Error is the error of a call that has no result. [Incomplete] is the only other
// error type that a Gateway returns.
type Error struct {
	Code Code
	// Detail tells a human what was wrong with this call.
	Detail string
}

// Error implements the error interface.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

// Is makes errors.Is compare codes only, so that
// errors.Is(err, &Error{Code: CodeBusy}) works for any detail.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Incomplete is the error of a call whose result is good as far as it goes: the
// nodes of a cluster that did not answer are missing from it. A gateway that is not
// part of a cluster never returns it.
type Incomplete struct {
	// Unreachable are the numbers of those nodes, in their order. It is empty if this
	// node has not met the others yet.
	Unreachable []uint16
}

// Error implements the error interface.
func (e *Incomplete) Error() string {
	if len(e.Unreachable) == 0 {
		return "the answer is incomplete: this node has not joined its cluster"
	}
	return fmt.Sprintf("the answer is incomplete: nodes %v did not answer", e.Unreachable)
}
