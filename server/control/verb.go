package control

import (
	"strconv"

	"castgate/server/control/access"
	"castgate/server/control/internal/wire"
)

// verb is an operation of the gateway: a request by its path, a command of a
// batch by its op.
type verb struct {
	op   *wire.Op
	path string // "" for those that have a path of another form
	// scope is the required right.
	scope access.Scope
	run   func(c *call) error
}

// verbs are all operations. run reads its arguments from the call's command and
// appends the answer to the call's out; its error is a *wire.Fault or a
// *gateway.Error.
var verbs = []*verb{
	{wire.Bind, "/v1/bind", access.ScopeManage, (*call).bind},
	{wire.Unbind, "/v1/unbind", access.ScopeManage, (*call).unbind},
	{wire.Join, "/v1/join", access.ScopeManage, (*call).join},
	{wire.Leave, "/v1/leave", access.ScopeManage, (*call).leave},
	{wire.Ungroup, "/v1/ungroup", access.ScopeManage, (*call).ungroup},
	{wire.Push, "/v1/push", access.ScopePush, (*call).push},
	{wire.Kick, "/v1/kick", access.ScopeManage, (*call).kick},
	{wire.Online, "/v1/online", access.ScopeRead, (*call).online},
	{wire.Counts, "/v1/counts", access.ScopeRead, (*call).counts},
	{wire.PutSession, "", access.ScopeManage, (*call).setSession},
	{wire.PatchSession, "", access.ScopeManage, (*call).mergeSession},
}

// findVerb returns the verb of an op, which wire has checked to exist.
func findVerb(op string) *verb {
	for _, v := range verbs {
		if v.op.Name == op {
			return v
		}
	}
	return nil
}

// single serves the verb as a request of its own.
func (v *verb) single(c *call) error {
	if err := c.command.Decode(c.http.Request.Body(), v.op); err != nil {
		return err
	}
	if c.command.Names() > manyNames {
		defer c.bound()()
	}
	if err := v.run(c); err != nil {
		return err
	}
	c.answer(jsonType)
	return nil
}

// manyNames is the largest number of names in a command whose work, whatever
// the names stand for, does not warrant a timer.
const manyNames = 16

// appendInt appends text and a number.
func appendInt[T ~int | ~uint64 | ~uint16](dst []byte, text string, n T) []byte {
	return strconv.AppendInt(append(dst, text...), int64(n), 10)
}

// appendNullable appends a string, or null for "".
func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, s)
}
