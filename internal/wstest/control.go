package wstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// M is a JSON object.
type M = map[string]any

// Control makes one request to the control port and returns the status and the JSON
// object of the answer. A string or []byte body is sent unchanged, nil sends no
// body, anything else is encoded as JSON.
func (g *Gateway) Control(method, path string, body any) (status int, answer M) {
	g.t.Helper()
	status, answer, err := g.TryControl(method, path, body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, answer
}

// TryControl is Control, but returns connection errors. It fails no test, so any
// goroutine may call it.
func (g *Gateway) TryControl(method, path string, body any) (status int, answer M, err error) {
	resp, err := g.Request(method, path, body, nil)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return 0, nil, fmt.Errorf("status %d: answer %.200q: %w", resp.StatusCode, data, err)
	}
	return resp.StatusCode, answer, nil
}

// OK is Control and requires status 200.
func (g *Gateway) OK(method, path string, body any) M {
	g.t.Helper()
	status, answer := g.Control(method, path, body)
	if status != http.StatusOK {
		g.t.Fatalf("%s %s %v: status %d, want 200: %v", method, path, body, status, answer)
	}
	return answer
}

// Problem is Control and requires an application/problem+json answer with this
// status and code.
func (g *Gateway) Problem(status int, code, method, path string, body any) {
	g.t.Helper()
	resp, err := g.Request(method, path, body, nil)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var problem struct {
		Status int
		Code   string
	}
	err = json.NewDecoder(resp.Body).Decode(&problem)
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if err != nil || resp.StatusCode != status || problem.Status != status || problem.Code != code || kind != "application/problem+json" {
		g.t.Errorf("%s %s %.200v: status %d, %s, %+v (%v), want %d %s", method, path, body, resp.StatusCode, kind, problem, err, status, code)
	}
}

// Request makes one request; the caller closes the answer's body. header may be
// nil. Any goroutine may call it.
func (g *Gateway) Request(method, path string, body any, header http.Header) (*http.Response, error) {
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		payload = strings.NewReader(b)
	case []byte:
		payload = bytes.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, g.controlURL()+path, payload)
	if err != nil {
		return nil, err
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if g.Key != "" {
		req.Header.Set("Authorization", "Bearer "+g.Key)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	return g.http.Do(req)
}

// Bind binds a client to a uid and joins it to groups.
func (g *Gateway) Bind(clientID, uid string, groups ...string) {
	g.t.Helper()
	body := M{"client_id": clientID, "uid": uid}
	if len(groups) > 0 {
		body["groups"] = groups
	}
	g.OK("POST", "/v1/bind", body)
}

// Push pushes a text and returns how many clients it matched.
func (g *Gateway) Push(to M, text string) int {
	g.t.Helper()
	return int(g.OK("POST", "/v1/push", M{"to": to, "text": text})["matched"].(float64))
}

// To is a target of one kind: client_ids, uids or groups.
func To(kind string, names ...string) M { return M{kind: names} }

// All targets every client.
func All() M { return M{"all": true} }
