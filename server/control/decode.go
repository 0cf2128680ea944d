package control

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of lists in one command.
const maxNames = 10_000

// strict refuses what a mistake would look like: unknown fields, fields twice,
// invalid UTF-8, names in another case, anything behind the value.
var strict = json.RejectUnknownMembers(true)

// decode fills v from a JSON object. Errors are problems that name the field.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v, strict)
	if err == nil {
		return nil
	}
	return decodeProblem(err)
}

func decodeProblem(err error) *problem {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		field := fieldName(semantic.JSONPointer)
		if errors.Is(err, json.ErrUnknownName) {
			return badRequest("unknown_field", "the body has an unknown field %s", field)
		}
		if semantic.GoType != nil && semantic.JSONKind != 0 {
			return badRequest("wrong_type", "%s is a JSON %s; it should be %s", field, semantic.JSONKind, wanted(semantic.GoType.String()))
		}
		return badRequest("wrong_type", "%s has a value that does not fit", field)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return badRequest("duplicate_field", "the body has the field %s twice", fieldName(syntactic.JSONPointer))
		}
		return badRequest("invalid_json", "the body is no JSON: %v at byte %d", syntactic.Err, syntactic.ByteOffset)
	}
	return badRequest("invalid_json", "the body is no JSON object of this command: %v", err)
}

// fieldName makes /to/uids/3 into to.uids.3.
func fieldName(p jsontext.Pointer) string {
	name := strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
	if name == "" {
		return "the body"
	}
	return name
}

// wanted names a Go type as JSON has it.
func wanted(goType string) string {
	switch t := strings.TrimLeft(goType, "*"); {
	case t == "string":
		return "a string"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "int"):
		return "a whole number in range"
	case strings.HasPrefix(t, "[]"):
		return "an array"
	}
	return "an object"
}

// checkLists bounds the lists of one command.
func checkLists(lists ...[]string) error {
	for _, l := range lists {
		if len(l) > maxNames {
			return badRequest("too_many", "a list has %d entries, %d are allowed", len(l), maxNames)
		}
	}
	return nil
}

// required refuses an empty string that must be there.
func required(name, value string) error {
	if value == "" {
		return badRequest("missing_field", "%s is missing or empty", name)
	}
	return nil
}

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil { // only for invalid UTF-8, which is replaced
		return out
	}
	return out
}
