package wire

import (
	"math/bits"
	"strings"
)

// Op is one operation: the name by which a batch calls it and its fields.
type Op struct {
	Name string
	// Fields are all that a body may hold, Required those that it must.
	Fields, Required Fields
	// target is set where at least one target has to be named: in to if that
	// is a field, else at the top.
	target bool
}

// The operations.
var (
	Bind = &Op{Name: "bind", Fields: FieldClientID | FieldUID | FieldGroups | FieldExclusive,
		Required: FieldClientID | FieldUID}
	Unbind = &Op{Name: "unbind", Fields: FieldClientID, Required: FieldClientID}
	Join   = &Op{Name: "join", Fields: FieldClientIDs | FieldUIDs | FieldGroups, Required: FieldGroups}
	Leave  = &Op{Name: "leave", Fields: FieldClientIDs | FieldUIDs | FieldGroups, Required: FieldGroups}
	// Ungroup empties groups.
	Ungroup = &Op{Name: "ungroup", Fields: FieldGroups, Required: FieldGroups}
	Push    = &Op{Name: "push", Fields: FieldTo | FieldExclude | payloadFields | FieldWait,
		Required: FieldTo, target: true}
	Kick = &Op{Name: "kick", target: true,
		Fields: FieldClientIDs | FieldUIDs | FieldGroups | FieldAll | FieldCode | FieldReason | FieldText}
	Online = &Op{Name: "online", Fields: FieldClientIDs | FieldUIDs}
	Counts = &Op{Name: "counts", Fields: FieldGroups | FieldUIDs}
	// PutSession and PatchSession exist in batches only; by themselves they
	// are a path and a body that is the session.
	PutSession   = &Op{Name: "put_session", Fields: FieldClientID | FieldSession, Required: FieldClientID | FieldSession}
	PatchSession = &Op{Name: "patch_session", Fields: FieldClientID | FieldSession, Required: FieldClientID | FieldSession}
)

// Ops are all operations.
var Ops = []*Op{Bind, Unbind, Join, Leave, Ungroup, Push, Kick, Online, Counts, PutSession, PatchSession}

var allFields = func() (f Fields) {
	for _, op := range Ops {
		f |= op.Fields
	}
	return f
}()

var opNames = func() string {
	var names []string
	for _, op := range Ops {
		names = append(names, op.Name)
	}
	return strings.Join(names, ", ")
}()

// FindOp returns the operation of that name, nil if there is none.
func FindOp(name string) *Op {
	for _, op := range Ops {
		if op.Name == name {
			return op
		}
	}
	return nil
}

// op returns the operation that the field op names.
func (c *Command) op() (*Op, error) {
	if c.Has&FieldOp == 0 {
		return nil, Faultf(CodeMissingField, "op is missing")
	}
	op := FindOp(c.Op)
	if op == nil {
		return nil, Faultf(CodeUnknownOp, "op %.64q is none of %s", c.Op, opNames)
	}
	return op, nil
}

// check holds the fields against those of op.
func (c *Command) check(op *Op) error {
	if extra := c.Has &^ (op.Fields | FieldOp); extra != 0 {
		return Faultf(CodeUnknownField, "unknown field %q in %s", extra.first(), op.Name)
	}
	if missing := op.Required &^ c.Has; missing != 0 {
		return Faultf(CodeMissingField, "%s is missing", missing.first())
	}
	if op.target {
		targets, where := &c.Top, "the body"
		if op.Fields&FieldTo != 0 {
			targets, where = &c.To, "to"
		}
		if !named(targets) {
			return Faultf(CodeNoTarget, "%s names no target: client_ids, uids, groups or all", where)
		}
	}
	if op != Push {
		return nil
	}
	switch bits.OnesCount32(uint32(c.Has & payloadFields)) {
	case 0:
		return Faultf(CodeNoPayload, "none of text, json and base64 is given")
	case 1:
		return nil
	}
	return Faultf(CodeSeveralPayloads, "more than one of text, json and base64 is given")
}

// first is the name of the first field of the set.
func (f Fields) first() string { return fieldNames[bits.TrailingZeros32(uint32(f))] }
