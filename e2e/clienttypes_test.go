package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

var update = flag.Bool("update", false, "write the generated files of the clients")

// schema is what the document says of a value.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Format               string
	Const                any
	Properties           map[string]*schema
	Required             []string
	Items                *schema
	AdditionalProperties any
	Description          string
}

// clientDocument is what the clients' types are made from.
type clientDocument struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]*schema }
}

// published are the schemas that the clients' users see. The others are bodies of
// requests, which the clients' methods make from their arguments.
var published = []string{
	"Targets", "Exclude", "BindAnswer", "UnbindAnswer", "MembershipAnswer", "UngroupAnswer", "PushAnswer",
	"KickAnswer", "OnlineAnswer", "CountsAnswer", "ReloadAnswer", "ClientRow", "ClientDetails", "UIDRow", "GroupRow",
	"ClientPage", "UIDPage", "GroupPage", "Stats", "NodeList", "Node", "EventPage", "Event", "DeadEvents", "DeadEvent",
	"ReplayAnswer", "Problem",
}

// TestClientTypes: the types and the problem codes of the clients are those of the
// document. "make clients" writes them.
func TestClientTypes(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, document(t, wstest.Start(t), t.TempDir()))
	doc.inline()
	codes := problemCodes(doc)
	if len(codes) < 30 {
		t.Fatalf("only %d codes", len(codes))
	}
	for name, emit := range map[string]func(*clientDocument, []string) string{
		"clients/go/values.go":             goTypes,
		"clients/node/types.d.ts":          tsTypes,
		"clients/python/castgate/types.py": pythonTypes,
		"clients/php/src/Problem.php":      phpCodes,
	} {
		path := filepath.Join(wstest.Root(t), name)
		want := emit(doc, codes)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the OpenAPI document says (%v): run make clients", name, err)
		}
	}
}

func readDocument(t *testing.T, path string) *clientDocument {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := new(clientDocument)
	if err := json.Unmarshal(text, doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range published {
		if doc.Components.Schemas[name] == nil {
			t.Fatalf("the document has no schema %s", name)
		}
	}
	return doc
}

// inline puts schemas that are not published where they are referred to.
func (d *clientDocument) inline() {
	var visit func(s *schema) *schema
	visit = func(s *schema) *schema {
		if s == nil {
			return nil
		}
		if to := d.Components.Schemas[s.named()]; s.Ref != "" && to != nil && !slices.Contains(published, s.named()) {
			inner := *to
			if s.Description != "" {
				inner.Description = s.Description
			}
			s = &inner
		}
		for name, p := range s.Properties {
			s.Properties[name] = visit(p)
		}
		s.Items = visit(s.Items)
		return s
	}
	for _, name := range published {
		visit(d.Components.Schemas[name])
	}
}

// problemCodes are all codes of all answers, sorted.
func problemCodes(doc *clientDocument) []string {
	found := map[string]bool{}
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if codes, ok := v["x-codes"].([]any); ok {
				for _, code := range codes {
					found[code.(string)] = true
				}
			}
			for _, inner := range v {
				visit(inner)
			}
		case []any:
			for _, inner := range v {
				visit(inner)
			}
		}
	}
	for _, methods := range doc.Paths {
		for _, operation := range methods {
			var v any
			if json.Unmarshal(operation, &v) == nil {
				visit(v)
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// kind is the JSON type of a schema, and whether null is allowed too.
func (s *schema) kind() (name string, nullable bool) {
	switch t := s.Type.(type) {
	case string:
		return t, false
	case []any:
		for _, one := range t {
			if one == "null" {
				nullable = true
			} else {
				name = one.(string)
			}
		}
	}
	return name, nullable
}

// values is the schema of a map's values, nil if they may be anything.
func (s *schema) values() *schema {
	if _, ok := s.AdditionalProperties.(map[string]any); !ok {
		return nil
	}
	text, _ := json.Marshal(s.AdditionalProperties)
	inner := new(schema)
	_ = json.Unmarshal(text, inner) // it has just been written
	return inner
}

// named is the name of the schema that s refers to. Names and client ids are
// strings in every language.
func (s *schema) named() string {
	name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	if name == "Name" || name == "ClientID" {
		return "string"
	}
	return name
}

// camel is a_name as ANameOfGo, with Go's initialisms.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		switch part {
		case "":
		case "id", "uid", "json", "http":
			b.WriteString(strings.ToUpper(part))
		case "ids", "uids":
			b.WriteString(strings.ToUpper(part[:len(part)-1]) + "s")
		default:
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func goTypes(doc *clientDocument, codes []string) string {
	var b bytes.Buffer
	b.WriteString("// Code generated from the OpenAPI document by make clients. DO NOT EDIT.\n\npackage castgate\n\n")
	b.WriteString("import (\n\t\"encoding/json\"\n\t\"time\"\n)\n\n")
	b.WriteString("// Codes of problems, in Error.Code.\nconst (\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "\tCode%s = %q\n", camel(code), code)
	}
	b.WriteString(")\n")
	for _, name := range published {
		s := doc.Components.Schemas[name]
		fmt.Fprintf(&b, "\n// %s is a value of the control API.", name)
		if s.Description != "" {
			fmt.Fprintf(&b, " %s", s.Description)
		}
		fmt.Fprintf(&b, "\ntype %s %s\n", name, goStruct(s))
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		return err.Error() + "\n" + b.String()
	}
	return string(text)
}

func goStruct(s *schema) string {
	var b strings.Builder
	b.WriteString("struct {\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p, tag := s.Properties[name], name
		if !slices.Contains(s.Required, name) {
			tag += ",omitzero"
		}
		if p.Description != "" {
			fmt.Fprintf(&b, "// %s\n", p.Description)
		}
		kind := goType(p)
		if kind == "bool" && len(s.Required) > 0 && tag != name {
			kind = "*bool" // in an answer, absent is not false
		}
		fmt.Fprintf(&b, "%s %s `json:\"%s\"`\n", camel(name), kind, tag)
	}
	b.WriteString("}")
	return b.String()
}

func goType(s *schema) string {
	if s.Ref != "" {
		return s.named()
	}
	kind, nullable := s.kind()
	switch {
	case kind == "object" && s.Properties != nil:
		return goStruct(s)
	case kind == "object" && s.values() != nil:
		return "map[string]" + goType(s.values())
	case kind == "object":
		return "json.RawMessage"
	case kind == "array":
		return "[]" + goType(s.Items)
	case s.Format == "date-time":
		return "time.Time"
	case nullable:
		return "*" + goNames[kind]
	}
	return goNames[kind]
}

var (
	goNames     = map[string]string{"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
	tsNames     = map[string]string{"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
	pythonNames = map[string]string{"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
)

func tsTypes(doc *clientDocument, codes []string) string {
	var b strings.Builder
	b.WriteString("// Generated from the OpenAPI document by make clients. Do not edit.\n\n")
	b.WriteString("/** Codes of problems, in CastgateError.code. */\nexport type ProblemCode =\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "  | '%s'\n", code)
	}
	b.WriteString("  ;\n")
	for _, name := range published {
		s := doc.Components.Schemas[name]
		b.WriteString("\n")
		tsComment(&b, "", s.Description)
		fmt.Fprintf(&b, "export interface %s %s\n", name, tsObject(s, ""))
	}
	return b.String()
}

func tsComment(b *strings.Builder, indent, text string) {
	if text != "" {
		fmt.Fprintf(b, "%s/** %s */\n", indent, text)
	}
}

func tsObject(s *schema, indent string) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p, optional := s.Properties[name], "?"
		if slices.Contains(s.Required, name) {
			optional = ""
		}
		tsComment(&b, indent+"  ", p.Description)
		fmt.Fprintf(&b, "%s  %s%s: %s;\n", indent, name, optional, tsType(p, indent+"  "))
	}
	b.WriteString(indent + "}")
	return b.String()
}

func tsType(s *schema, indent string) string {
	if s.Ref != "" {
		return s.named()
	}
	kind, nullable := s.kind()
	name := tsNames[kind]
	switch {
	case kind == "object" && s.Properties != nil:
		name = tsObject(s, indent)
	case kind == "object" && s.values() != nil:
		name = "Record<string, " + tsType(s.values(), indent) + ">"
	case kind == "object":
		name = "Record<string, unknown>"
	case kind == "array":
		name = tsType(s.Items, indent) + "[]"
	}
	if nullable {
		name += " | null"
	}
	return name
}

func pythonTypes(doc *clientDocument, codes []string) string {
	var b strings.Builder
	b.WriteString("# Generated from the OpenAPI document by make clients. Do not edit.\n")
	b.WriteString("\"\"\"Values of the control API, and the codes of its problems.\"\"\"\n\n")
	b.WriteString("from __future__ import annotations\n\nfrom typing import Any, Optional, TypedDict\n\n")
	b.WriteString("#: Codes of problems, in CastgateError.code.\nPROBLEM_CODES = frozenset({\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "    %q,\n", code)
	}
	b.WriteString("})\n")
	for _, name := range published {
		pythonClass(&b, name, doc.Components.Schemas[name])
	}
	return b.String()
}

// pythonClass writes a TypedDict, and before it those of the objects in it. Python
// 3.9 has no Required, so optional fields are in a class of their own.
func pythonClass(b *strings.Builder, name string, s *schema) {
	var required, optional strings.Builder
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		p, to := s.Properties[field], &optional
		if slices.Contains(s.Required, field) {
			to = &required
		}
		kind := pythonType(p)
		if p.Properties != nil {
			kind = name + camel(field)
			pythonClass(b, kind, p)
		}
		if p.Description != "" {
			fmt.Fprintf(to, "    #: %s\n", p.Description)
		}
		fmt.Fprintf(to, "    %s: %s\n", field, kind)
	}
	if optional.Len() == 0 {
		fmt.Fprintf(b, "\n\nclass %s(TypedDict):\n%s", name, required.String())
		return
	}
	base := "TypedDict"
	if required.Len() > 0 {
		base = "_" + name
		fmt.Fprintf(b, "\n\nclass %s(TypedDict):\n%s", base, required.String())
	}
	fmt.Fprintf(b, "\n\nclass %s(%s, total=False):\n%s", name, base, optional.String())
}

func pythonType(s *schema) string {
	if s.Ref != "" {
		if name := s.named(); name != "string" {
			return name
		}
		return "str"
	}
	kind, nullable := s.kind()
	name := pythonNames[kind]
	switch {
	case kind == "object" && s.values() != nil:
		name = "dict[str, " + pythonType(s.values()) + "]"
	case kind == "object":
		name = "dict[str, Any]"
	case kind == "array":
		name = "list[" + pythonType(s.Items) + "]"
	}
	if nullable {
		name = "Optional[" + name + "]"
	}
	return name
}

func phpCodes(_ *clientDocument, codes []string) string {
	var b strings.Builder
	b.WriteString("<?php\n// Generated from the OpenAPI document by make clients. Do not edit.\n\ndeclare(strict_types=1);\n\nnamespace Castgate;\n\n")
	b.WriteString("/** Codes of problems, in CastgateException::$errorCode. */\nfinal class Problem\n{\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "    public const %s = '%s';\n", strings.ToUpper(code), code)
	}
	b.WriteString("}\n")
	return b.String()
}
