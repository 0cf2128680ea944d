package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"castgate/server/gateway"
)

type reply struct {
	Status  int
	Body    json.RawMessage
	Problem *struct {
		Status       int
		Code, Detail string
	}
}

func TestBatch(t *testing.T) {
	p := start(t, nil)
	commands := []struct {
		command, call string
		status        int
		answer        string // the body, or the problem's code
	}{
		{`{"op":"bind","client_id":"c-1","uid":"ann"}`, `bind "c-1" "ann" [] false`, 200, `{"previous_uid":null,"kicked":1}`},
		{`{"client_id":"gone","op":"unbind"}`, `unbind "gone"`, 404, `unknown_client`},
		{`{"op":"join","uids":["ann"],"groups":["g"]}`, `join [] ["ann"] ["g"]`, 200, `{"changed":2,"unknown_client_ids":["gone"]}`},
		{`{"op":"leave","uids":["ann"],"groups":["g"]}`, `leave [] ["ann"] ["g"]`, 200, `{"changed":2,"unknown_client_ids":[]}`},
		{`{"op":"ungroup","groups":["g"]}`, `ungroup ["g"]`, 200, `{"changed":3}`},
		{`{"op":"dance"}`, ``, 400, `unknown_op`},
		{`5`, ``, 400, `wrong_type`},
		{`{"op":"unbind","client_id":"c-1","client_id":"c-2"}`, ``, 400, `duplicate_field`},
		{`{"op":"push","to":{"all":true},"text":"\u0041"}`, `push [] [] [] true but [] []: "A" binary=false wait=false`, 200, `{"matched":3,"queued":3,"dropped":0}`},
		{`{"op":"push","to":{},"text":"x"}`, ``, 400, `no_target`},
		{`{"op":"kick","all":true}`, `kick [] [] [] true but [] []: 0 "" ""`, 200, `{"kicked":4}`},
		{`{"op":"kick","to":{"uids":[]}}`, `kick [] [] [] false but [] []: 0 "" ""`, 200, `{"kicked":4}`},
		{`{"op":"unbind","uids":["u"]}`, `unbind uids ["u"]`, 200, `{"previous_uid":null,"unbound":1}`},
		{`{"op":"online","uids":["u"]}`, `online [] ["u"]`, 200, `{"client_ids":{},"uids":{"u":1}}`},
		{`{"op":"counts","uids":["u"]}`, `counts [] ["u"]`, 200, `{"groups":{},"uids":{"u":0}}`},
		{`{"op":"put_session","client_id":"c-1","session":{"a":1}}`, `put_session "c-1" {"a":1}`, 200, `{"a":1}`},
		{`{"op":"patch_session","client_id":"c-1","session":{"a":null}}`, `patch_session "c-1" {"a":null}`, 200, `{"merged":true}`},
		{`{"op":"batch","commands":[]}`, ``, 400, `unknown_field`},
	}
	var lines, calls []string
	for _, c := range commands {
		lines = append(lines, c.command)
		if c.call != "" {
			calls = append(calls, c.call)
		}
	}
	check := func(form string, replies []reply) {
		t.Helper()
		if len(replies) != len(commands) {
			t.Fatalf("%s: %d replies, want %d", form, len(replies), len(commands))
		}
		for i, r := range replies {
			c := commands[i]
			if r.Status != c.status || c.status == 200 && string(r.Body) != c.answer ||
				c.status != 200 && (r.Problem == nil || r.Problem.Code != c.answer || r.Problem.Status != c.status) {
				t.Errorf("%s: %s: %d %s %+v, want %d %s", form, c.command, r.Status, r.Body, r.Problem, c.status, c.answer)
			}
		}
		if got := p.fake.took(); got != strings.Join(calls, "; ") {
			t.Errorf("%s: the gateway was asked %s", form, got)
		}
	}
	var envelope struct{ Replies []reply }
	status, body, _ := p.ask("POST", "/v1/batch", `{"commands":[`+strings.Join(lines, ", ")+`]}`)
	if err := json.Unmarshal([]byte(body), &envelope); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	check("JSON", envelope.Replies)

	status, body, h := p.ask("POST", "/v1/batch", strings.Join(lines, "\r\n\n")+"\n", "Content-Type: application/x-ndjson")
	if status != 200 || h.Get("Content-Type") != ndjsonType {
		t.Fatalf("NDJSON: %d %v", status, h)
	}
	var replies []reply
	for line := range strings.Lines(body) {
		var r reply
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		replies = append(replies, r)
	}
	check("NDJSON", replies)
}

// TestBrokenBatch: a broken envelope does nothing at all; a broken line affects
// only itself.
func TestBrokenBatch(t *testing.T) {
	p := start(t, nil)
	const good = `{"op":"unbind","client_id":"c-1"}`
	p.refuses(400, "invalid_json", "POST", "/v1/batch", `{"commands":[`+good+`,`)
	p.refuses(400, "missing_field", "POST", "/v1/batch", `{}`)
	p.refuses(400, "unknown_field", "POST", "/v1/batch", `{"commands":[`+good+`],"x":1}`)
	p.refuses(400, "too_many", "POST", "/v1/batch", `{"commands":[`+good+strings.Repeat(",0", 10_000)+`]}`)
	p.refuses(400, "too_many", "POST", "/v1/batch", good+"\n"+strings.Repeat("0\n", 10_000), "Content-Type: application/x-ndjson")
	if got := p.fake.took(); got != "" {
		t.Errorf("the gateway was asked %s", got)
	}
	status, body, _ := p.ask("POST", "/v1/batch", good+"\n{\"op\":\n"+good, "Content-Type: application/x-ndjson; charset=utf-8")
	if status != 200 || strings.Count(body, `{"status":200,`) != 2 || strings.Count(body, `"code":"invalid_json"`) != 1 {
		t.Errorf("%d %s", status, body)
	}
	status, body, _ = p.ask("POST", "/v1/batch", `{"commands":[`+strings.Repeat(good+",", 9_999)+good+`]}`)
	if n := strings.Count(body, `{"status":200,`); status != 200 || n != 10_000 {
		t.Errorf("10,000 commands: %d, %d replies", status, n)
	}
}

// TestAccept: callers that name both types are generated clients, which put
// what they prefer first or give weights.
func TestAccept(t *testing.T) {
	p := start(t, nil)
	for accept, want := range map[string]string{
		"": jsonType, "*/*": jsonType, "application/*": jsonType, "text/html, */*;q=0.8": jsonType, "application/json": jsonType,
		"application/x-ndjson": ndjsonType, "Application/X-NDJSON; charset=utf-8": ndjsonType, "application/x-ndjson, */*;q=0.1": ndjsonType,
		"application/x-ndjson, application/json": ndjsonType, "application/json, application/x-ndjson": jsonType,
		"application/json;q=0.5, application/x-ndjson;q=0.9": ndjsonType, "application/x-ndjson;q=0.5, application/json; q=0.9": jsonType,
		"application/x-ndjson;q=0": jsonType, "application/x-ndjson;q=0.000, application/json": jsonType,
		"application/json;Q=0.1, application/x-ndjson ; q = 1": ndjsonType, "application/x-ndjson;q=high": ndjsonType, ",;,": jsonType,
	} {
		if status, _, h := p.ask("GET", "/v1/clients", "", "Accept: "+accept); status != 200 || h.Get("Content-Type") != want {
			t.Errorf("%q: %d %s, want %s", accept, status, h.Get("Content-Type"), want)
		}
	}
}

func TestListingStream(t *testing.T) {
	p := start(t, nil)
	p.fake.rows = 2500
	for _, tt := range []struct {
		query  string
		rows   int
		limits string
	}{
		{"", 2500, "[1000 1000 1000]"},
		{"?limit=1200", 1200, "[1000 200]"},
		{"?limit=7&cursor=at-2490", 7, "[7]"},
		{"?cursor=at-1500&group=g", 1000, "[1000]"},
	} {
		p.fake.limit = nil
		for _, name := range []string{"clients", "uids", "groups"} {
			status, body, h := p.ask("GET", "/v1/"+name+tt.query, "", "Accept: text/plain, application/x-ndjson;q=0.9")
			if status != 200 || h.Get("Content-Type") != ndjsonType {
				t.Fatalf("%s: %d %v", tt.query, status, h)
			}
			n := 0
			for line := range strings.Lines(body) {
				if n++; !json.Valid([]byte(line)) {
					t.Fatalf("line %q", line)
				}
			}
			if n != tt.rows {
				t.Errorf("%s%s: %d rows, want %d", name, tt.query, n, tt.rows)
			}
			if got := fmt.Sprint(p.fake.limit); got != tt.limits {
				t.Errorf("%s%s: pages of %s, want %s", name, tt.query, got, tt.limits)
			}
			p.fake.limit = nil
		}
	}
}

// TestStreamCutOff: an incomplete stream is recognizable as such.
func TestStreamCutOff(t *testing.T) {
	p := start(t, nil)
	p.fake.rows = 1500
	p.fake.broken = true
	resp, err := p.http.Do(p.streamRequest())
	if err == nil {
		defer resp.Body.Close()
		var line json.RawMessage
		for d := json.NewDecoder(resp.Body); err == nil; {
			err = d.Decode(&line)
		}
	}
	if err == nil || err.Error() == "EOF" {
		t.Errorf("the stream ended with %v", err)
	}
	c, in := p.dial()
	fmt.Fprintf(c, "GET /v1/clients HTTP/1.0\r\nConnection: keep-alive\r\nAccept: application/x-ndjson\r\n\r\n")
	status, body, h := read(t, in)
	requireProblem(t, "HTTP/1.0", status, body, h.Get("Content-Type"), 505, "http_version")
}

// largeSessions is a gateway whose sessions have the maximum size.
type largeSessions struct {
	gateway.Gateway
	asked int
}

func (g *largeSessions) PatchSession(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	g.asked++
	return json.RawMessage(`{"a":"` + strings.Repeat("x", 4<<10) + `"}`), nil
}

// TestLargeAnswer: short commands with long answers do not fill memory: the
// commands after them are not executed.
func TestLargeAnswer(t *testing.T) {
	gw := &largeSessions{}
	p := startWith(t, gw, nil)
	const command = `{"op":"patch_session","client_id":"c-1","session":{}}`
	ask := func(n int, lines bool) (refused, size int) {
		t.Helper()
		body, contentType := `{"commands":[`+strings.Repeat(command+",", n-1)+command+`]}`, jsonType
		if lines {
			body, contentType = strings.Repeat(command+"\n", n), ndjsonType
		}
		gw.asked = 0
		status, answer, _ := p.ask("POST", "/v1/batch", body, "Content-Type: "+contentType)
		done := strings.Count(answer, `{"status":200,`)
		refused = strings.Count(answer, `{"status":503,"problem":`)
		if status != 200 || done != gw.asked || done+refused != n || refused != strings.Count(answer, `"code":"answer_too_large"`) {
			t.Errorf("%d: %d commands were carried out, %d answered so and %d refused, of %d", status, gw.asked, done, refused, n)
		}
		return refused, len(answer)
	}
	const n = 10_000
	var all uint64
	for _, lines := range []bool{false, true} {
		refused, size := ask(n, lines)
		all += uint64(refused)
		if most := 8 << 20; (n-refused)*(5<<10) < most || size > most+8<<10+refused*300 {
			t.Errorf("%d refused, %d bytes", refused, size)
		}
	}
	if got := p.overlong.Load(); got != all {
		t.Errorf("%d are counted, want %d", got, all)
	}
	// However small bodies must be, some hundred sessions fit.
	limits := p.config.Limits
	limits.MaxBody = leastBody
	if err := p.SetLimits(limits); err != nil {
		t.Fatal(err)
	}
	if refused, _ := ask(leastBody/len(command)-1, true); refused > 0 {
		t.Errorf("%d refused in a small batch", refused)
	}
}
