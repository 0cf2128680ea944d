package wire

import (
	"math/bits"
	"strings"
)

// Op is one operation: its name in a batch and its fields.
type Op struct {
	Name string
	// Fields are all that a body may have, Required those that it must have.
	Fields, Required Fields
	// target is set if clients must be named: in the field to or, if the op has
	// them, in the same fields at the top level.
	target bool
	// either are fields of which at least one is required; only says that
	// exactly one is.
	either Fields
	only   bool
}

// The operations.
var (
	Bind = &Op{Name: "bind", Fields: FieldClientID | FieldUID | FieldGroups | FieldExclusive,
		Required: FieldClientID | FieldUID}
	Unbind = &Op{Name: "unbind", Fields: FieldClientID | FieldUIDs, either: FieldClientID | FieldUIDs, only: true}
	Join   = &Op{Name: "join", Fields: FieldClientIDs | FieldUIDs | FieldGroups, Required: FieldGroups,
		either: FieldClientIDs | FieldUIDs}
	Leave = &Op{Name: "leave", Fields: FieldClientIDs | FieldUIDs | FieldGroups, Required: FieldGroups,
		either: FieldClientIDs | FieldUIDs}
	// Ungroup empties groups.
	Ungroup = &Op{Name: "ungroup", Fields: FieldGroups, Required: FieldGroups}
	Push    = &Op{Name: "push", Fields: FieldTo | FieldExclude | payloadFields | FieldWait,
		Required: FieldTo, target: true}
	Kick = &Op{Name: "kick", target: true,
		Fields: FieldTo | FieldExclude | targetFields | FieldCode | FieldReason | FieldText}
	Online = &Op{Name: "online", Fields: FieldClientIDs | FieldUIDs}
	Counts = &Op{Name: "counts", Fields: FieldGroups | FieldUIDs}
	// PutSession and PatchSession exist only in batches; as requests of their
	// own they are a path and a body that is the session.
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

// FindOp returns the operation with a name, nil if there is none.
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
		return nil, Faultf(CodeUnknownOp, "op %.64q is not one of %s", c.Op, opNames)
	}
	return op, nil
}

// check compares the fields with those of op.
func (c *Command) check(op *Op) error {
	if extra := c.Has &^ (op.Fields | FieldOp); extra != 0 {
		return op.unknown(extra.first())
	}
	if missing := op.Required &^ c.Has; missing != 0 {
		return Faultf(CodeMissingField, "%s is missing", missing.first())
	}
	if err := c.checkTargets(op); err != nil {
		return err
	}
	if op != Push {
		return nil
	}
	switch bits.OnesCount32(uint32(c.Has & payloadFields)) {
	case 0:
		return Faultf(CodeNoPayload, "give one of text, json and base64")
	case 1:
		return nil
	}
	return Faultf(CodeSeveralPayloads, "give only one of text, json and base64")
}

// checkTargets requires that the body names targets. An empty list counts: it
// names nobody, and may be the result of a caller's computation. "all": false
// does not count.
func (c *Command) checkTargets(op *Op) error {
	given := c.Has & op.either
	switch {
	case op.only && given == 0:
		return Faultf(CodeMissingField, "%s is missing; give one of %s", op.either.first(), op.either)
	case op.only && given&(given-1) != 0:
		return Faultf(CodeInvalidValue, "%s exclude each other; %s takes exactly one", given, op.Name)
	case op.either != 0 && given == 0:
		return Faultf(CodeNoTarget, "the body names no client; give %s", op.either)
	case !op.target:
		return nil
	}
	top, where := c.Has&op.Fields&targetFields, "the body"
	if op.Fields&targetFields == 0 || c.Has&FieldTo != 0 {
		where = "to"
	}
	if c.Has&FieldTo != 0 && top != 0 {
		return Faultf(CodeInvalidValue, "%s is not inside to; put all targets into to", top.first())
	}
	if named := (c.inTo | top) &^ FieldAll; named == 0 && !c.To.All && !c.Top.All {
		return Faultf(CodeNoTarget, "%s names no target; give client_ids, uids, groups or all", where)
	}
	return nil
}

// unknownField is the fault of a field that no op has or that op does not have.
func unknownField(name string, op *Op) *Fault {
	switch {
	case op != nil:
		return op.unknown(name)
	case name == "commands":
		return Faultf(CodeUnknownField, "unknown field commands in a command; a batch in one object has Content-Type: application/json")
	}
	return Faultf(CodeUnknownField, "unknown field %.64q in a command; known fields: %s", name, FieldOp|allFields)
}

// unknown is the fault of a field that the op does not have.
func (op *Op) unknown(name string) *Fault {
	return Faultf(CodeUnknownField, "unknown field %.64q in %s; known fields: %s", name, op.Name, op.Fields)
}

// String returns the names of the fields, separated by commas.
func (f Fields) String() string {
	var names []string
	for i, name := range fieldNames {
		if f>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// first is the name of the first field of the set.
func (f Fields) first() string { return fieldNames[bits.TrailingZeros32(uint32(f))] }
