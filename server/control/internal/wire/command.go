package wire

import (
	"castgate/server/gateway"
)

// Limits of a body besides its size.
const (
	// MaxNames is the largest number of elements of a list of client ids, uids
	// or groups.
	MaxNames = 10_000
	// MaxCommands is the largest number of commands in a batch.
	MaxCommands = 10_000
)

// Fields is a set of fields of a command.
type Fields uint32

// The fields of commands.
const (
	FieldOp Fields = 1 << iota
	FieldClientID
	FieldUID
	FieldExclusive
	FieldClientIDs
	FieldUIDs
	FieldGroups
	FieldAll
	FieldTo
	FieldExclude
	FieldText
	FieldJSON
	FieldBase64
	FieldWait
	FieldCode
	FieldReason
	FieldSession
)

// fieldNames are the names of Fields, by bit.
var fieldNames = [...]string{
	"op", "client_id", "uid", "exclusive", "client_ids", "uids", "groups", "all", "to", "exclude",
	"text", "json", "base64", "wait", "code", "reason", "session",
}

// field returns the field with a name, 0 if there is none.
func field(name string) Fields {
	switch name {
	case "op":
		return FieldOp
	case "client_id":
		return FieldClientID
	case "uid":
		return FieldUID
	case "exclusive":
		return FieldExclusive
	case "client_ids":
		return FieldClientIDs
	case "uids":
		return FieldUIDs
	case "groups":
		return FieldGroups
	case "all":
		return FieldAll
	case "to":
		return FieldTo
	case "exclude":
		return FieldExclude
	case "text":
		return FieldText
	case "json":
		return FieldJSON
	case "base64":
		return FieldBase64
	case "wait":
		return FieldWait
	case "code":
		return FieldCode
	case "reason":
		return FieldReason
	case "session":
		return FieldSession
	}
	return 0
}

const (
	payloadFields = FieldText | FieldJSON | FieldBase64
	// targetFields name clients, inside to or at the top level.
	targetFields = FieldClientIDs | FieldUIDs | FieldGroups | FieldAll
)

// Command is a decoded request: the fields of all operations in one struct;
// Op.Fields says which are used. A Command is decoded repeatedly and keeps the
// memory of its lists. It is not safe for concurrent use.
type Command struct {
	// Has is the set of fields in the body.
	Has Fields
	// Op is the value of the field op.
	Op string

	ClientID string
	UID      string
	KickOld  bool
	// Top is client_ids, uids, groups and all at the top level of the body.
	Top gateway.Targets
	// To is the same of the field to.
	To               gateway.Targets
	ExcludeClientIDs []string
	ExcludeUIDs      []string
	// Payload is the value of text, json or base64; Binary is set for base64.
	Payload []byte
	Binary  bool
	Wait    bool
	Code    int // close code, 0 if not given
	Reason  string
	Text    string // the value of text
	Session []byte // a JSON object

	inTo    Fields // fields inside to
	scan    scanner
	scratch []byte // a payload that is not part of the body
}

// Decode reads one JSON object. With an op, fields that the op does not have
// are refused at once; without one, the field op decides. Errors are *Fault.
func (c *Command) Decode(body []byte, op *Op) error {
	c.Reset()
	s := &c.scan
	s.reset(body)
	allowed := FieldOp | allFields
	if op != nil {
		allowed = op.Fields
	}
	if err := s.open('{', "the body", "an object"); err != nil {
		return err
	}
	for {
		key, ok, err := s.key()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		f := field(key)
		if f&allowed == 0 {
			return unknownField(key, op)
		}
		if f&c.Has != 0 {
			return Faultf(CodeDuplicateField, "the field %s appears twice", key)
		}
		c.Has |= f
		if err := c.value(f); err != nil {
			return err
		}
	}
	if err := s.end(); err != nil {
		return err
	}
	if op == nil {
		var err error
		if op, err = c.op(); err != nil {
			return err
		}
	}
	return c.check(op)
}

// value reads the value of a field.
func (c *Command) value(f Fields) (err error) {
	s := &c.scan
	switch f {
	case FieldOp:
		c.Op, err = s.str("op")
	case FieldClientID:
		c.ClientID, err = s.str("client_id")
	case FieldUID:
		c.UID, err = s.str("uid")
	case FieldExclusive:
		c.KickOld, err = s.only("exclusive", "kick_old")
	case FieldClientIDs:
		c.Top.ClientIDs, err = s.list("client_ids", c.Top.ClientIDs)
	case FieldUIDs:
		c.Top.UIDs, err = s.list("uids", c.Top.UIDs)
	case FieldGroups:
		c.Top.Groups, err = s.list("groups", c.Top.Groups)
	case FieldAll:
		c.Top.All, err = s.boolean("all")
	case FieldTo:
		err = c.to()
	case FieldExclude:
		err = c.exclude()
	case FieldText:
		c.Text, err = s.str("text")
		c.Payload = bytesOf(c.Text)
	case FieldJSON:
		err = c.json()
	case FieldBase64:
		err = c.base64()
	case FieldWait:
		c.Wait, err = s.only("wait", "written")
	case FieldCode:
		c.Code, err = s.closeCode()
	case FieldReason:
		c.Reason, err = s.str("reason")
	case FieldSession:
		if s.peek() != '{' {
			return s.wrongType("session", "an object")
		}
		c.Session, err = s.raw()
	}
	return err
}

// Targets returns the targets of a kick: To or, without it, those at the top
// level.
func (c *Command) Targets() *gateway.Targets {
	if c.Has&FieldTo != 0 {
		return &c.To
	}
	return &c.Top
}

// Names is the number of client ids, uids and groups in its lists.
func (c *Command) Names() int {
	return len(c.Top.ClientIDs) + len(c.Top.UIDs) + len(c.Top.Groups) + len(c.To.ClientIDs) + len(c.To.UIDs) + len(c.To.Groups) +
		len(c.ExcludeClientIDs) + len(c.ExcludeUIDs)
}

// Reset clears the command, so that nothing points into the body any more, and
// releases memory that only a large command needs.
func (c *Command) Reset() {
	*c = Command{
		Top:              resetTargets(c.Top),
		To:               resetTargets(c.To),
		ExcludeClientIDs: resetNames(c.ExcludeClientIDs),
		ExcludeUIDs:      resetNames(c.ExcludeUIDs),
		scan:             scanner{names: resetNames(c.scan.names)},
		scratch:          c.scratch[:0],
	}
	if cap(c.scratch) > keepScratch {
		c.scratch = nil
	}
}

// The most that an idle command keeps of each of its buffers.
const (
	keepNames   = 1024
	keepScratch = 64 << 10
)

func resetNames(names []string) []string {
	if cap(names) > keepNames {
		return nil
	}
	clear(names)
	return names[:0]
}

func resetTargets(t gateway.Targets) gateway.Targets {
	return gateway.Targets{
		ClientIDs: resetNames(t.ClientIDs), UIDs: resetNames(t.UIDs), Groups: resetNames(t.Groups),
	}
}
