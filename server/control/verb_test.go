package control

import (
	"strings"
	"testing"

	"castgate/server/gateway"
)

func TestVerbs(t *testing.T) {
	p := start(t, nil)
	for _, tt := range []struct{ method, path, body, call, answer string }{
		{"POST", "/v1/bind", `{"client_id":"c-1","uid":"ann","groups":["g"],"exclusive":"kick_old"}`,
			`bind "c-1" "ann" ["g"] true`, `{"previous_uid":null,"kicked":1}`},
		{"POST", "/v1/bind", `{"client_id":"c-1","uid":"a\u0000b"}`,
			`bind "c-1" "a\x00b" [] false`, `{"previous_uid":null,"kicked":1}`},
		{"POST", "/v1/unbind", `{"client_id":"c-1"}`, `unbind "c-1"`, `{"previous_uid":"a\"nn","unbound":1}`},
		{"POST", "/v1/unbind", `{"uids":["u","v"]}`, `unbind uids ["u" "v"]`, `{"previous_uid":null,"unbound":2}`},
		{"POST", "/v1/unbind", `{"uids":[]}`, `unbind uids []`, `{"previous_uid":null,"unbound":0}`},
		{"POST", "/v1/join", `{"client_ids":["c-1"],"groups":["g","h"]}`,
			`join ["c-1"] [] ["g" "h"]`, `{"changed":2,"unknown_client_ids":["gone"]}`},
		{"POST", "/v1/leave", `{"uids":["ann"],"groups":["g"]}`,
			`leave [] ["ann"] ["g"]`, `{"changed":2,"unknown_client_ids":[]}`},
		{"POST", "/v1/ungroup", `{"groups":["g"]}`, `ungroup ["g"]`, `{"changed":3}`},
		{"POST", "/v1/push", `{"to":{"client_ids":["c-1"],"uids":["u"],"groups":["g"]},"exclude":{"client_ids":["x"],"uids":["y"]},"text":"h\u00e9"}`,
			`push ["c-1"] ["u"] ["g"] false but ["x"] ["y"]: "hé" binary=false wait=false`, `{"matched":3,"queued":3,"dropped":0}`},
		{"POST", "/v1/push", `{"to":{"all":true},"json":{"a": [ 1 ]},"wait":"written"}`,
			`push [] [] [] true but [] []: "{\"a\":[1]}" binary=false wait=true`, `{"matched":3,"queued":0,"dropped":1,"written":2}`},
		{"POST", "/v1/push", `{"to":{"all":true},"base64":"AAH/"}`,
			`push [] [] [] true but [] []: "\x00\x01\xff" binary=true wait=false`, `{"matched":3,"queued":3,"dropped":0}`},
		{"POST", "/v1/push/raw?uid=a%2Bb&uid=c+d&group=%C3%BC&client_id=c-1&exclude_client_id=x&exclude_uid=y", `{"as it":"is" }`,
			`push ["c-1"] ["a+b" "c d"] ["ü"] false but ["x"] ["y"]: "{\"as it\":\"is\" }" binary=false wait=false`, `{"matched":3,"queued":3,"dropped":0}`},
		{"POST", "/v1/push/raw?all=1&binary=1&wait=written", "\xff\x00",
			`push [] [] [] true but [] []: "\xff\x00" binary=true wait=true`, `{"matched":3,"queued":0,"dropped":1,"written":2}`},
		{"POST", "/v1/push/raw?all=1&binary=0", "", `push [] [] [] true but [] []: "" binary=false wait=false`, `{"matched":3,"queued":3,"dropped":0}`},
		{"POST", "/v1/kick", `{"uids":["u"],"code":4000,"reason":"r","text":"t"}`, `kick [] ["u"] [] false but [] []: 4000 "r" "t"`, `{"kicked":4}`},
		{"POST", "/v1/kick", `{"to":{"groups":["g"],"client_ids":["c-1"]},"exclude":{"client_ids":["x"],"uids":["y"]}}`,
			`kick ["c-1"] [] ["g"] false but ["x"] ["y"]: 0 "" ""`, `{"kicked":4}`},
		{"POST", "/v1/kick", `{"to":{"all":true}}`, `kick [] [] [] true but [] []: 0 "" ""`, `{"kicked":4}`},
		{"POST", "/v1/kick", `{"uids":[]}`, `kick [] [] [] false but [] []: 0 "" ""`, `{"kicked":4}`},
		{"POST", "/v1/push", `{"to":{"uids":[],"all":false},"text":"x"}`,
			`push [] [] [] false but [] []: "x" binary=false wait=false`, `{"matched":3,"queued":3,"dropped":0}`},
		{"POST", "/v1/join", `{"uids":[],"groups":[]}`, `join [] [] []`, `{"changed":2,"unknown_client_ids":["gone"]}`},
		{"POST", "/v1/leave", `{"client_ids":[],"groups":["g"]}`, `leave [] [] ["g"]`, `{"changed":2,"unknown_client_ids":[]}`},
		{"POST", "/v1/ungroup", `{"groups":[]}`, `ungroup []`, `{"changed":3}`},
		{"POST", "/v1/online", `{"client_ids":[],"uids":[]}`, `online [] []`, `{"client_ids":{},"uids":{}}`},
		{"POST", "/v1/counts", `{"groups":[],"uids":[]}`, `counts [] []`, `{"groups":{},"uids":{}}`},
		{"POST", "/v1/online", `{"client_ids":["c-1","gone","c-1"],"uids":["u\n"]}`,
			`online ["c-1" "gone" "c-1"] ["u\n"]`, `{"client_ids":{"c-1":true,"gone":false},"uids":{"u\n":1}}`},
		{"POST", "/v1/online", `{}`, `online [] []`, `{"client_ids":{},"uids":{}}`},
		{"POST", "/v1/counts", `{"groups":["g"]}`, `counts ["g"] []`, `{"groups":{"g":0},"uids":{}}`},
		{"GET", "/v1/clients/c-1", ``, `client "c-1"`,
			`{"client_id":"c-1","uid":"ann","groups":["red"],"session":{"a":1},"remote_addr":"127.0.0.1:1","connected_at":"2026-11-23T20:00:00.123Z","queued_bytes":5,"queued_frames":1}`},
		{"GET", "/v1/clients/c%2D1", ``, `client "c-1"`, ``},
		{"PUT", "/v1/clients/c-1/session", ` {"a": 1}`, `put_session "c-1" {"a": 1}`, `{"a": 1}`},
		{"PATCH", "/v1/clients/c-1/session", `{"a":null}`, `patch_session "c-1" {"a":null}`, `{"merged":true}`},
		{"GET", "/v1/uids?limit=1&group=g+h", ``, `list "" "g h"`, `{"uids":[{"uid":"u\n0","clients":1}],"next_cursor":"at-1"}`},
		{"GET", "/v1/groups?cursor=at-2&uid=u", ``, `list "u" ""`, `{"groups":[{"group":"u\n2","clients":1}],"next_cursor":null}`},
		{"GET", "/v1/clients?limit=1&cursor=at-2", ``, `list "" ""`,
			`{"clients":[{"client_id":"c-2","uid":null,"groups":[],"session":null,"remote_addr":"[::1]:2","connected_at":"2026-11-23T20:00:00.123Z"}],"next_cursor":null}`},
		{"GET", "/livez?since=1", ``, ``, `{"status":"live"}`},
		{"GET", "/readyz", ``, ``, `{"status":"ready"}`},
	} {
		status, answer, h := p.ask(tt.method, tt.path, tt.body)
		if status != 200 || tt.answer != "" && answer != tt.answer || h.Get("Content-Type") != jsonType {
			t.Errorf("%s %s %s: %d %s %s, want %s", tt.method, tt.path, tt.body, status, h.Get("Content-Type"), answer, tt.answer)
		}
		if got := p.fake.took(); got != tt.call {
			t.Errorf("%s %s %s: the gateway was asked %s, want %s", tt.method, tt.path, tt.body, got, tt.call)
		}
	}
}

func TestRefusals(t *testing.T) {
	p := start(t, nil)
	for _, tt := range []struct {
		status                   int
		code, method, path, body string
		header                   string
	}{
		{400, "invalid_json", "POST", "/v1/bind", `{"client_id":`, ""},
		{400, "invalid_json", "POST", "/v1/bind", ``, "Content-Type: application/json"},
		{400, "wrong_type", "POST", "/v1/bind", `{"client_id":5,"uid":"u"}`, ""},
		{400, "unknown_field", "POST", "/v1/bind", `{"client_id":"c-1","uid":"u","x":1}`, ""},
		{400, "invalid_utf8", "POST", "/v1/bind", "{\"client_id\":\"c-1\",\"uid\":\"\xff\"}", ""},
		{400, "invalid_json", "POST", "/v1/bind", "{\"client_id\":\"c-1\",\"uid\":\"a\x00b\"}", ""},
		{400, "unknown_parameter", "POST", "/v1/bind?uid=u", `{"client_id":"c-1","uid":"u"}`, ""},
		{404, "unknown_client", "POST", "/v1/unbind", `{"client_id":"gone"}`, ""},
		{400, "no_target", "POST", "/v1/push", `{"to":{},"text":"x"}`, ""},
		{400, "no_target", "POST", "/v1/push", `{"to":{"all":false},"text":"x"}`, ""},
		{400, "no_target", "POST", "/v1/kick", `{"to":{}}`, ""},
		{400, "no_target", "POST", "/v1/kick", `{"all":false}`, ""},
		{400, "no_target", "POST", "/v1/join", `{"groups":["g"]}`, ""},
		{400, "invalid_value", "POST", "/v1/kick", `{"to":{"all":true},"uids":["u"]}`, ""},
		{400, "missing_field", "POST", "/v1/unbind", `{}`, ""},
		{400, "invalid_value", "POST", "/v1/unbind", `{"client_id":"c-1","uids":["u"]}`, ""},
		{400, "no_target", "POST", "/v1/push/raw", "x", ""},
		{400, "no_target", "POST", "/v1/push/raw?all=0", "x", ""},
		{400, "unknown_parameter", "POST", "/v1/push/raw?all=1&colour=red", "x", ""},
		{400, "invalid_parameter", "POST", "/v1/push/raw?all=yes", "x", ""},
		{400, "invalid_parameter", "POST", "/v1/push/raw?uid=%zz", "x", ""},
		{400, "invalid_parameter", "POST", "/v1/push/raw?uid=%a", "x", ""},
		{400, "invalid_parameter", "POST", "/v1/push/raw?all=1&wait=read", "x", ""},
		{400, "invalid_name", "POST", "/v1/push/raw?uid=%ff", "x", ""},
		{400, "invalid_utf8", "POST", "/v1/push/raw?all=1", "\xff", ""},
		{400, "invalid_limit", "GET", "/v1/clients?limit=x", "", ""},
		{400, "invalid_limit", "GET", "/v1/clients?limit=0", "", ""},
		{400, "invalid_limit", "GET", "/v1/clients?limit=10001", "", ""},
		{400, "invalid_cursor", "GET", "/v1/clients?cursor=made-up", "", ""},
		{400, "invalid_cursor", "GET", "/v1/clients?cursor=made-up", "", "Accept: application/x-ndjson"},
		{400, "invalid_parameter", "GET", "/v1/clients?uid=", "", ""},
		{400, "invalid_parameter", "GET", "/v1/clients?uid=a&uid=b", "", ""},
		{400, "unknown_parameter", "GET", "/v1/stats?x", "", ""},
		{404, "not_found", "GET", "/", "", ""},
		{404, "not_found", "GET", "/v1/bind/", "", ""},
		{404, "not_found", "GET", "/v1//stats", "", ""},
		{404, "not_found", "GET", "/v1/clients/", "", ""},
		{404, "not_found", "GET", "/v1/clients/c-1/groups", "", ""},
		{404, "not_found", "PUT", "/v1/clients//session", "{}", ""},
		{404, "unknown_client", "GET", "/v1/clients/gone", "", ""},
		{404, "unknown_client", "PUT", "/v1/clients/c%2F1/session", "{}", ""},
		{400, "wrong_type", "PUT", "/v1/clients/c-1/session", "[]", ""},
		{405, "method_not_allowed", "GET", "/v1/push", "", ""},
		{405, "method_not_allowed", "DELETE", "/v1/clients/c-1/session", "", ""},
		{415, "unsupported_media_type", "POST", "/v1/bind", `{}`, "Content-Type: text/plain"},
		{415, "unsupported_media_type", "POST", "/v1/bind", `{}`, "Content-Type: application/x-ndjson"},
		{415, "unsupported_media_type", "POST", "/v1/bind", `{}`, "Content-Encoding: gzip"},
		{400, "missing_field", "POST", "/v1/bind", `{}`, "Content-Type: application/vnd.x+json; charset=utf-8"},
		{403, "browser", "POST", "/v1/push/raw?all=1", "x", "Origin: https://evil.example"},
		{403, "browser", "GET", "/nothing", "", "Origin: null"},
	} {
		var header []string
		if tt.header != "" {
			header = append(header, tt.header)
		}
		p.refuses(tt.status, tt.code, tt.method, tt.path, tt.body, header...)
	}
	if _, _, h := p.ask("GET", "/v1/push", ""); h.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("Allow: %q", h.Get("Allow"))
	}
	for _, call := range strings.Split(p.fake.took(), "; ") {
		if verb, _, _ := strings.Cut(call, " "); verb == "bind" || verb == "push" {
			t.Errorf("a refused request reached the gateway: %s", call)
		}
	}
}

// TestHints: a mistake is answered with what may have been meant.
func TestHints(t *testing.T) {
	p := start(t, nil)
	for _, tt := range []struct {
		status                         int
		code, method, path, body, hint string
	}{
		{404, "not_found", "POST", "/v1/push/", "{}", "did you mean /v1/push?"},
		{404, "not_found", "POST", "/push", "{}", "did you mean /v1/push?"},
		{404, "not_found", "GET", "/v1/Stats//", "", "did you mean /v1/stats?"},
		{404, "not_found", "POST", "//v1/push", "{}", "did you mean /v1/push?"},
		{404, "not_found", "GET", "/v1/clients/", "", "did you mean /v1/clients?"},
		{404, "not_found", "GET", "/v1/clients/c-1/", "", "did you mean /v1/clients/{client_id}?"},
		{404, "not_found", "PUT", "/v1/clients/c-1/session/", "{}", "did you mean /v1/clients/{client_id}/session?"},
		{404, "not_found", "PUT", "/v1/clients/c-1/Session", "{}", "did you mean /v1/clients/{client_id}/session?"},
		{404, "not_found", "GET", "/v1/clients/c-1/groups", "", "/v1/openapi.json lists all paths"},
		{404, "not_found", "GET", "/v1/nothing", "", "/v1/openapi.json lists all paths"},
		{404, "not_found", "GET", "/" + strings.Repeat("a", 9000), "", "/v1/openapi.json lists all paths"},
		{405, "method_not_allowed", "PUT", "/v1/push", "{}", "/v1/push supports OPTIONS, POST, not PUT"},
		{400, "unknown_parameter", "POST", "/v1/push/raw?uids=a", "x", "known parameters: client_id, uid, group, all"},
		{400, "unknown_parameter", "GET", "/v1/clients?page=2", "", "known parameters: uid, group, limit, cursor"},
		{400, "unknown_parameter", "GET", "/v1/explain?group=g", "", "known parameters: uid, client_id"},
		{400, "unknown_parameter", "GET", "/v1/nodes?x=1", "", "known parameters: none"},
		{400, "unknown_field", "POST", "/v1/kick", `{"uid":"a"}`, "known fields: client_ids, uids, groups, all, to"},
		{400, "unknown_field", "POST", "/v1/batch", `{"op":"online"}`, "whose only field is commands; for one command per line, send Content-Type: application/x-ndjson"},
		{400, "unknown_field", "POST", "/v1/batch", `{"Commands":[]}`, "whose only field is commands"},
		{400, "invalid_parameter", "GET", "/v1/clients?limit=1&limit=2", "", "limit must be given once"},
		{400, "invalid_json", "POST", "/v1/push", "\xef\xbb\xbf{}", "begins with a byte order mark"},
		{400, "invalid_json", "PUT", "/v1/clients/c-1/session", "\xef\xbb\xbf{}", "begins with a byte order mark"},
		{400, "invalid_json", "POST", "/v1/batch", "\xef\xbb\xbf{}", "begins with a byte order mark"},
		{400, "invalid_json", "POST", "/v1/push", "\xff\xfe{\x00}\x00", "UTF-16"},
	} {
		if detail := p.refuses(tt.status, tt.code, tt.method, tt.path, tt.body); !strings.Contains(detail, tt.hint) {
			t.Errorf("%s %.40s: %s, want %s", tt.method, tt.path, detail, tt.hint)
		}
	}
	if detail := p.refuses(415, "unsupported_media_type", "POST", "/v1/push", "{}", "Content-Type: application/x-www-form-urlencoded"); !strings.Contains(detail, "Content-Type: application/json") {
		t.Error(detail)
	}
	if detail := p.refuses(415, "unsupported_media_type", "POST", "/v1/batch", "{}", "Content-Type: application/jsonl"); !strings.Contains(detail, "Content-Type: application/json or application/x-ndjson") {
		t.Error(detail)
	}
	for line, want := range map[string]string{
		`{"commands":[]}`:           "Content-Type: application/json",
		`{"op":"kick","uid":"a"}`:   "known fields: client_ids, uids, groups, all, to",
		`{"uid":"a","op":"online"}`: "known fields: client_ids, uids",
		`{"user":"a","op":"kick"}`:  `unknown field \"user\"`,
		"\xef\xbb\xbf{}":            "begins with a byte order mark",
	} {
		if _, body, _ := p.ask("POST", "/v1/batch", line, "Content-Type: application/x-ndjson"); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", line, body, want)
		}
	}
}

// TestGatewayErrors: every code of the gateway has a status.
func TestGatewayErrors(t *testing.T) {
	p := start(t, nil)
	for code, status := range map[gateway.Code]int{
		gateway.CodeUnknownClient: 404, gateway.CodeInvalidName: 400, gateway.CodeInvalidUTF8: 400,
		gateway.CodeInvalidCloseCode: 400, gateway.CodeInvalidReason: 400, gateway.CodeInvalidSession: 400,
		gateway.CodeSessionTooLarge: 413, gateway.CodeInvalidCursor: 400, gateway.CodeInvalidLimit: 400,
		gateway.CodeTooManyGroups: 400, gateway.CodeBusy: 503, gateway.CodeStopping: 503,
	} {
		p.fake.err = &gateway.Error{Code: code, Detail: "as the gateway says"}
		if d := p.refuses(status, string(code), "POST", "/v1/ungroup", `{"groups":["g"]}`); d != "as the gateway says" {
			t.Errorf("%s: detail %q", code, d)
		}
		if _, _, h := p.ask("POST", "/v1/ungroup", `{"groups":["g"]}`); (h.Get("Retry-After") == "1") != (status == 503) {
			t.Errorf("%s: Retry-After %q", code, h.Get("Retry-After"))
		}
	}
	p.fake.err = &gateway.Error{Code: "made_up", Detail: "secret"}
	if d := p.refuses(500, "internal", "POST", "/v1/ungroup", `{"groups":["g"]}`); strings.Contains(d, "secret") {
		t.Errorf("detail %q", d)
	}
}

func TestPanic(t *testing.T) {
	p := start(t, nil)
	p.fake.broken = true
	p.refuses(500, "internal", "GET", "/v1/stats", "")
	p.fake.broken = false
	if status, _, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("after a panic: status %d", status)
	}
	p.stop()
	if log := p.log.String(); !strings.Contains(log, "broken for the test") || !strings.Contains(log, "harness_test.go") {
		t.Errorf("the log has no panic with its stack: %s", log)
	}
}

// TestHeadAndOptions: HEAD is GET without the body; OPTIONS lists the methods.
func TestHeadAndOptions(t *testing.T) {
	p := start(t, nil)
	for _, path := range []string{"/v1/stats", "/livez", "/v1/clients", "/v1/openapi.json"} {
		_, body, _ := p.ask("GET", path, "")
		status, answer, h := p.ask("HEAD", path, "")
		if n := h.Get("Content-Length"); status != 200 || answer != "" || n == "" || n == "0" || len(body) == 0 {
			t.Errorf("HEAD %s: %d, %q, Content-Length %s", path, status, answer, n)
		}
	}
	if status, body, _ := p.ask("HEAD", "/v1/clients", "", "Accept: application/x-ndjson"); status != 200 || body != "" {
		t.Errorf("HEAD of a stream: %d %q", status, body)
	}
	status, body, h := p.ask("OPTIONS", "/v1/clients/c-1/session", "")
	if status != 204 || body != "" || h.Get("Allow") != "OPTIONS, PATCH, PUT" {
		t.Errorf("OPTIONS: %d %q %v", status, body, h)
	}
	for _, name := range []string{"Server", "Access-Control-Allow-Origin"} {
		if v := h.Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
}
