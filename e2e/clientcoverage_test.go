package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// withoutClients are requests that no application makes: those of probes, of
// Prometheus and of operators.
var withoutClients = []string{"/v1/explain", "/livez", "/metrics", "/v1/openapi.json"}

// documentedOperation is what the document says of a request.
type documentedOperation struct {
	Parameters  []struct{ Name, In string }
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

// TestVectorsCoverTheDocument: every request of the control API is in the vectors,
// with every field of its body and every parameter.
func TestVectorsCoverTheDocument(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, document(t, wstest.Start(t), t.TempDir()))
	shown := map[string]bool{} // "POST /v1/bind uid", and "POST /v1/bind" itself
	for _, v := range readVectors(t).Vectors {
		for _, call := range append([]vectorCall{v.vectorCall}, v.Then...) {
			for _, x := range call.exchanges() {
				noteShown(shown, &x.Request)
			}
		}
	}
	operations := 0
	for path, methods := range doc.Paths {
		for method, text := range methods {
			if slices.Contains(withoutClients, path) {
				continue
			}
			var o documentedOperation
			if err := json.Unmarshal(text, &o); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			operations++
			for _, missing := range unshown(doc, shown, strings.ToUpper(method)+" "+path, &o) {
				t.Errorf("clients/vectors.json has no %s: add it there and to the clients, or its path to withoutClients", missing)
			}
		}
	}
	if operations < 22 {
		t.Errorf("only %d operations", operations)
	}
}

// noteShown notes what a request of a vector has.
func noteShown(shown map[string]bool, q *vectorRequest) {
	path := q.Path
	if rest, ok := strings.CutPrefix(path, "/v1/clients/"); ok {
		path = "/v1/clients/{client_id}"
		if strings.HasSuffix(rest, "/session") {
			path += "/session"
		}
	}
	name := q.Method + " " + path
	shown[name] = true
	for parameter := range q.Query {
		shown[name+" "+parameter] = true
	}
	if body, ok := q.Body.(map[string]any); ok {
		for field := range body {
			shown[name+" "+field] = true
		}
	}
	for _, line := range q.Lines {
		if command, ok := line.(map[string]any); ok {
			shown[name+" op "+command["op"].(string)] = true
		}
	}
}

// unshown lists what an operation has and the vectors have not.
func unshown(doc *clientDocument, shown map[string]bool, name string, o *documentedOperation) (missing []string) {
	need := []string{name}
	for _, p := range o.Parameters {
		if p.In == "query" {
			need = append(need, name+" "+p.Name)
		}
	}
	body := o.RequestBody.Content["application/json"].Schema
	if s := doc.Components.Schemas[body.named()]; s != nil && name != "POST /v1/batch" {
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			// A kick's targets may also be beside its code: the clients write to.
			if _, besides := s.Properties["to"]; besides && doc.Components.Schemas["Targets"].Properties[field] != nil {
				continue
			}
			need = append(need, name+" "+field)
		}
	}
	if name == "POST /v1/batch" {
		for command := range doc.Components.Schemas {
			if op := doc.Components.Schemas[command].Properties["op"]; op != nil && op.Const != nil {
				need = append(need, name+" op "+op.Const.(string))
			}
		}
	}
	for _, one := range need {
		if !shown[one] {
			missing = append(missing, one)
		}
	}
	return missing
}
