package control

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/wire"
)

// openAPISource is the OpenAPI 3.1 document without its error responses, which
// are added from the table of statuses. x-codes lists the codes specific to an
// operation; its route determines the others.
//
//go:embed openapi.json
var openAPISource []byte

// newOpenAPI makes the document as served.
func newOpenAPI(routes []*route) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(openAPISource, &doc); err != nil {
		return nil, err
	}
	paths, _ := doc["paths"].(map[string]any)
	for _, r := range routes {
		methods, _ := paths[r.path].(map[string]any)
		operation, _ := methods[strings.ToLower(r.method)].(map[string]any)
		if operation == nil {
			return nil, fmt.Errorf("openapi.json has no %s %s", r.method, r.path)
		}
		if r.scope != 0 {
			operation["x-scope"] = r.scope.String()
		}
		if err := addProblems(operation, r); err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
		}
	}
	doc["x-code-meanings"] = meanings
	return json.Marshal(doc)
}

// The codes that any request may be answered with.
var (
	everyCode = []string{codeBadRequest, codeTimeout, codeHeadTooLarge, codeBodyTooLarge, codeInternal, codeTooManyConns, codeHTTPVersion}
	keyCodes  = []string{codeUnauthorized, codeBrowser, codeForbidden}
	bodyCodes = []string{codeLengthRequired, codeMediaType, wire.CodeInvalidUTF8}
	jsonCodes = []string{
		wire.CodeInvalidJSON, wire.CodeTooDeep, wire.CodeDuplicateField, wire.CodeUnknownField, wire.CodeMissingField,
		wire.CodeWrongType, wire.CodeInvalidValue, wire.CodeTooMany,
	}
)

// addProblems adds the error responses of a route to its operation.
func addProblems(operation map[string]any, r *route) error {
	codes := slices.Clone(everyCode)
	if !r.open {
		codes = append(codes, keyCodes...)
	}
	if !r.lenient {
		codes = append(codes, codeUnknownParameter, codeInvalidParameter)
	}
	if r.body != noBody {
		codes = append(codes, bodyCodes...)
	}
	if r.body == jsonBody || r.body == batchBody {
		codes = append(codes, jsonCodes...)
	}
	own, _ := operation["x-codes"].([]any)
	delete(operation, "x-codes")
	for _, code := range own {
		codes = append(codes, code.(string))
	}
	slices.Sort(codes)
	byStatus := map[int][]string{}
	for _, code := range slices.Compact(codes) {
		status := statuses[code]
		if status == 0 {
			return fmt.Errorf("the code %q has no status", code)
		}
		byStatus[status] = append(byStatus[status], code)
	}
	responses := operation["responses"].(map[string]any)
	for status, codes := range byStatus {
		responses[strconv.Itoa(status)] = problemResponse(status, codes)
	}
	return nil
}

// problemResponse refers to the one schema of all problems, which keeps
// generated clients small; the codes are listed beside it.
func problemResponse(status int, codes []string) map[string]any {
	return map[string]any{
		"description": fasthttp.StatusMessage(status) + ": " + strings.Join(codes, ", "),
		"x-codes":     codes,
		"content": map[string]any{problemType: map[string]any{
			"schema": map[string]any{"$ref": "#/components/schemas/Problem"},
		}},
	}
}

// Document is the OpenAPI document as served.
func (s *Server) Document() []byte { return s.document }

// openAPI serves GET /v1/openapi.json.
func (c *call) openAPI() error {
	c.http.Response.Header.SetContentType(jsonType)
	c.http.Response.SetBodyRaw(c.server.document)
	return nil
}
