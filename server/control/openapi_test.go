package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is the part of the OpenAPI document that this test reads.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]operation
}

type operation struct {
	Parameters  []struct{ Name, In string }
	RequestBody *struct {
		Content map[string]struct {
			Examples map[string]struct{ Value json.RawMessage }
		}
	}
	Responses map[string]struct {
		Content map[string]any
		XCodes  []string `json:"x-codes"`
	}
	XCodes []string `json:"x-codes"`
}

const documentURL = "http://control/openapi.json"

// served reads the document from a port twice: to inspect it and for schemas.
func served(t *testing.T, p *port) (*document, *jsonschema.Compiler) {
	t.Helper()
	status, body, h := p.ask("GET", "/v1/openapi.json", "")
	if status != 200 || h.Get("Content-Type") != jsonType {
		t.Fatalf("%d %v", status, h)
	}
	var doc document
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, tree); err != nil {
		t.Fatal(err)
	}
	return &doc, c
}

// schema compiles the schema at a path of the document.
func schema(t *testing.T, c *jsonschema.Compiler, path ...string) *jsonschema.Schema {
	t.Helper()
	pointer := ""
	for _, part := range path {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "*", "%2A").Replace(part)
	}
	s, err := c.Compile(documentURL + "#" + pointer)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	return s
}

func valid(s *jsonschema.Schema, text string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// TestDocumentListsRoutes: the document lists every route and nothing else.
func TestDocumentListsRoutes(t *testing.T) {
	p := start(t, nil)
	doc, _ := served(t, p)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" "+path] = true
			if op.XCodes != nil {
				t.Errorf("%s %s: x-codes is for the making of the document", method, path)
			}
		}
	}
	for _, r := range p.routes.routes {
		name := r.method + " " + r.path
		if !described[name] {
			t.Errorf("%s is not in the document", name)
		}
		delete(described, name)
		op := doc.Paths[r.path][strings.ToLower(r.method)]
		if (op.RequestBody != nil) != (r.body != noBody) {
			t.Errorf("%s: body", name)
		}
		query := 0
		for _, parameter := range op.Parameters {
			if parameter.In == "query" {
				query++
			}
		}
		if (query > 0) != (r.parameter != nil) {
			t.Errorf("%s: %d parameters in the query", name, query)
		}
		if _, ok := op.Responses["401"]; ok == r.open {
			t.Errorf("%s: 401 is there: %v", name, ok)
		}
	}
	for name := range described {
		t.Errorf("%s is in the document only", name)
	}
}

// TestDocumentExamples: every example is accepted and answered as described;
// with an additional field both the document and the port refuse it.
func TestDocumentExamples(t *testing.T) {
	p := start(t, nil)
	doc, schemas := served(t, p)
	tried := 0
	for path, methods := range doc.Paths {
		url := strings.ReplaceAll(path, "{client_id}", "c-1")
		switch path {
		case "/v1/push/raw":
			url += "?client_id=c-1"
		case "/v1/explain":
			url += "?uid=ann"
		case "/v1/events/replay":
			url += "?dead=1"
		}
		for method, op := range methods {
			verb := strings.ToUpper(method)
			if op.RequestBody == nil {
				tried++
				checkAnswer(t, p, schemas, path, verb, url, "", "")
				continue
			}
			for kind, content := range op.RequestBody.Content {
				if len(content.Examples) == 0 {
					t.Errorf("%s %s: no examples of %s", verb, path, kind)
				}
				for name, example := range content.Examples {
					tried++
					body := string(example.Value)
					var text string
					if json.Unmarshal(example.Value, &text) == nil {
						body = text
					}
					checkAnswer(t, p, schemas, path, verb, url, body, kind)
					if kind != jsonType {
						continue
					}
					s := schema(t, schemas, "paths", path, method, "requestBody", "content", kind, "schema")
					if err := valid(s, body); err != nil {
						t.Errorf("%s %s: example %s: %v", verb, path, name, err)
					}
					more := strings.Replace(body, "{", `{"no_such_field":1,`, 1)
					if strings.Contains(path, "/session") {
						continue // any object
					}
					if err := valid(s, more); err == nil {
						t.Errorf("%s %s: the schema lets %s pass", verb, path, more)
					}
					p.refuses(400, "unknown_field", verb, url, more)
				}
			}
		}
	}
	if tried < len(p.routes.routes) {
		t.Errorf("%d examples for %d routes", tried, len(p.routes.routes))
	}
}

// checkAnswer makes a request and checks its answer against the document.
func checkAnswer(t *testing.T, p *port, c *jsonschema.Compiler, path, method, url, body, kind string) {
	t.Helper()
	header := []string{}
	if kind != "" && kind != "*/*" {
		header = append(header, "Content-Type: "+kind)
	}
	status, answer, h := p.ask(method, url, body, header...)
	got, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if status != 200 {
		t.Errorf("%s %s %s: %d %s", method, url, body, status, answer)
		return
	}
	content := []string{"paths", path, strings.ToLower(method), "responses", "200", "content", got}
	switch got {
	case jsonType:
		s := schema(t, c, append(content, "schema")...)
		if err := valid(s, answer); err != nil {
			t.Errorf("%s %s: %s: %v", method, url, answer, err)
		}
	case ndjsonType:
		s := schema(t, c, append(content, "x-line")...)
		for line := range strings.Lines(answer) {
			if err := valid(s, line); err != nil {
				t.Errorf("%s %s: %s: %v", method, url, line, err)
			}
		}
	}
}

// TestDocumentProblems: refusals are as the document describes them, and it
// lists every code of the table.
func TestDocumentProblems(t *testing.T) {
	p := start(t, nil)
	doc, schemas := served(t, p)
	for _, tt := range []struct{ path, body string }{
		{"/v1/bind", `{"client_id":"gone","uid":"u"}`},
		{"/v1/bind", `{"client_id":5}`},
		{"/v1/bind", ``},
		{"/v1/push", `{"to":{"all":true}}`},
		{"/v1/push", `{"to":{"all":true},"text":"","base64":""}`},
		{"/v1/push", `{"to":{"all":true},"base64":"?"}`},
		{"/v1/kick", `{"code":1000}`},
		{"/v1/kick", `{"all":true,"code":0}`},
		{"/v1/batch", `{"commands":{}}`},
	} {
		status, answer, h := p.ask("POST", tt.path, tt.body)
		if status == 200 {
			t.Errorf("%s %s was accepted", tt.path, tt.body)
			continue
		}
		s := schema(t, schemas, "paths", tt.path, "post", "responses", fmt.Sprint(status), "content", h.Get("Content-Type"), "schema")
		if err := valid(s, answer); err != nil {
			t.Errorf("%s %s: %s: %v", tt.path, tt.body, answer, err)
		}
		var problem struct{ Code string }
		codes := doc.Paths[tt.path]["post"].Responses[fmt.Sprint(status)].XCodes
		if err := json.Unmarshal([]byte(answer), &problem); err != nil || !slices.Contains(codes, problem.Code) {
			t.Errorf("%s %s: %s is none of %q", tt.path, tt.body, problem.Code, codes)
		}
	}
	_, text, _ := p.ask("GET", "/v1/openapi.json", "")
	for code, status := range statuses {
		if code == codeNotFound || code == codeMethodNotAllowed || code == "unknown_op" || code == codeAnswerTooLarge {
			continue // without a route, or only in a reply of a batch
		}
		if !strings.Contains(text, `"`+code+`"`) {
			t.Errorf("the document does not have %s", code)
		}
		if http.StatusText(status) == "" {
			t.Errorf("%s: status %d", code, status)
		}
	}
	if len(doc.Paths) == 0 {
		t.Error("no paths")
	}
}
