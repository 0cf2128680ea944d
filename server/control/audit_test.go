package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"castgate/server/control/access"
	"castgate/server/internal/audit"
)

// records are the lines of an audit log.
func records(t *testing.T, log *logText) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(log.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

func audited(t *testing.T, change func(*Config)) (*port, *logText) {
	log := &logText{}
	p := start(t, func(c *Config) {
		c.Audit = slog.NewJSONHandler(log, nil)
		if change != nil {
			change(c)
		}
	})
	return p, log
}

// TestAudit: what changes or ends clients is recorded, with who and how many,
// and without the content of sessions and messages.
func TestAudit(t *testing.T) {
	key, header := scoped(t, "ops", access.AllScopes)
	p, log := audited(t, func(c *Config) { c.ScopedKeys = []access.Key{key} })
	long := strings.Repeat("n", 200)
	var uids []string
	for i := range 20 {
		uids = append(uids, `"u`+string(rune('a'+i))+`"`)
	}
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/v1/kick", `{"uids":[` + strings.Join(uids, ",") + `],"client_ids":["` + long + `"],"reason":"private-reason","text":"private-text"}`},
		{"POST", "/v1/kick", `{"all":true,"code":4000}`},
		{"PUT", "/v1/clients/c-1/session", `{"card":"private-card"}`},
		{"PATCH", "/v1/clients/c-1/session", `{"card":"private-card"}`},
		{"POST", "/v1/batch", `{"commands":[{"op":"kick","groups":["g\n"]},{"op":"put_session","client_id":"c-2","session":{"a":"private"}}]}`},
		{"POST", "/v1/bind", `{"client_id":"c-1","uid":"ann","exclusive":"kick_old"}`},
		{"POST", "/v1/reload", ``},
		{"POST", "/v1/push", `{"to":{"all":true},"text":"private"}`},
		{"POST", "/v1/kick", `{"code":1000}`},                     // refused: no record
		{"PUT", "/v1/clients/gone/session", `{"card":"private"}`}, // of an unknown client
	} {
		p.ask(tt.method, tt.path, tt.body, header)
	}
	all := records(t, log)
	var actions []string
	for _, r := range all {
		actions = append(actions, r["action"].(string))
		if r["msg"] != "audit" || r["key"] != "ops" || !strings.HasPrefix(r["from"].(string), "127.0.0.1:") {
			t.Errorf("%v", r)
		}
	}
	if got, want := strings.Join(actions, " "), "kick kick put_session patch_session kick put_session bind reload"; got != want {
		t.Fatalf("actions %s, want %s", got, want)
	}
	first := all[0]
	if n := len(first["uids"].([]any)); n != audit.MostNames || first["targets"] != 21.0 || first["kicked"] != 4.0 || first["code"] != 1000.0 || len(first["client_ids"].([]any)[0].(string)) != audit.MostNameLen {
		t.Errorf("%v", first)
	}
	if all[1]["all"] != true || all[1]["code"] != 4000.0 || all[2]["client_id"] != "c-1" || all[2]["bytes"] != 23.0 || all[6]["kicked"] != 1.0 || all[6]["uid"] != "ann" {
		t.Errorf("%v", all)
	}
	if strings.Contains(log.String(), "private") {
		t.Errorf("contents stand in the audit log:\n%s", log)
	}
	if n := p.Server.audit.Written(); n != uint64(len(all)) {
		t.Errorf("%d records counted, %d written", n, len(all))
	}
}

// TestAuditRefusals: wrong keys are recorded without the key, and a flood of
// them only in part, with how many were left out.
func TestAuditRefusals(t *testing.T) {
	reader, header := scoped(t, "reader", access.ScopeRead)
	p, log := audited(t, func(c *Config) { c.ScopedKeys = []access.Key{reader} })
	p.ask("POST", "/v1/kick", `{"all":true}`, "X-API-Key: private-guess")
	p.ask("POST", "/v1/kick", `{"all":true}`, header)
	p.ask("POST", "/v1/batch", `{"commands":[{"op":"kick","all":true}]}`, header)
	all := records(t, log)
	if len(all) != 3 || all[0]["code"] != "unauthorized" || all[0]["key"] != "-" || all[0]["request"] != "POST /v1/kick" ||
		all[1]["code"] != "forbidden" || all[1]["key"] != "reader" || all[2]["request"] != "POST /v1/batch" {
		t.Errorf("%v", all)
	}
	if strings.Contains(log.String(), "private") || strings.Contains(log.String(), strings.TrimPrefix(header, "X-API-Key: ")) {
		t.Errorf("a key stands in the audit log:\n%s", log)
	}
}

// Two keys with the same name, of which one is being replaced, are told apart
// by the fingerprint that castgate key list shows; a single key needs none.
func TestAuditTwins(t *testing.T) {
	old, oldHeader := scoped(t, "ops", access.AllScopes)
	fresh, freshHeader := scoped(t, "ops", access.ScopeRead|access.ScopeManage)
	alone, aloneHeader := scoped(t, "cron", access.AllScopes)
	p, log := audited(t, func(c *Config) { c.ScopedKeys = []access.Key{old, alone, fresh} })
	for _, header := range []string{oldHeader, freshHeader, aloneHeader} {
		p.ask("POST", "/v1/kick", `{"all":true}`, header)
		p.ask("POST", "/v1/reload", ``, header)
	}
	p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`, freshHeader)
	var got []any
	for _, r := range records(t, log) {
		got = append(got, r["action"], r["key"], r["fingerprint"])
	}
	want := []any{
		"kick", "ops", old.Fingerprint(), "reload", "ops", old.Fingerprint(),
		"kick", "ops", fresh.Fingerprint(), "reload", "ops", fresh.Fingerprint(),
		"kick", "cron", nil, "reload", "cron", nil,
		"refused", "ops", fresh.Fingerprint(),
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// lossy is a handler that fails.
type lossy struct{ slog.Handler }

func (lossy) Handle(context.Context, slog.Record) error { return errors.New("disk full") }

func TestAuditLost(t *testing.T) {
	p := start(t, func(c *Config) { c.Audit = lossy{slog.NewTextHandler(&bytes.Buffer{}, nil)} })
	if status, body, _ := p.ask("POST", "/v1/kick", `{"all":true}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if _, body, _ := p.ask("GET", "/metrics", ""); !strings.Contains(body, `castgate_audit_records_total{result="lost"} 1`+"\n") {
		t.Error("the lost record is not counted")
	}
}

func TestReload(t *testing.T) {
	fail := errors.New("--loops: 0 is not between 1 and 256 (castgate.toml:1)")
	p, log := audited(t, func(c *Config) {
		inner := c.Reload
		c.Reload = func() (Reloaded, error) {
			if fail != nil {
				return Reloaded{}, fail
			}
			return inner()
		}
	})
	if detail := p.refuses(409, "reload_refused", "POST", "/v1/reload", ""); !strings.Contains(detail, fail.Error()) || !strings.Contains(detail, "nothing was changed") {
		t.Errorf("detail %q", detail)
	}
	fail = nil
	if status, body, _ := p.ask("POST", "/v1/reload", ""); status != 200 || body != `{"changed":["log-level"],"needs_restart":["listen"]}` {
		t.Errorf("%d %s", status, body)
	}
	if r, err := p.Reload(context.Background(), "SIGHUP"); err != nil || len(r.Changed) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	if all := records(t, log); len(all) != 3 || all[0]["err"] != "--loops: 0 is not between 1 and 256 (castgate.toml:1)" || all[2]["key"] != "SIGHUP" {
		t.Errorf("%v", all)
	}
	if _, body, _ := p.ask("GET", "/metrics", ""); !strings.Contains(body, `castgate_reloads_total{result="ok"} 2`) || !strings.Contains(body, `castgate_reloads_total{result="refused"} 1`) {
		t.Error("reloads are not counted")
	}
	p = start(t, func(c *Config) { c.Reload = nil })
	p.refuses(409, "reload_refused", "POST", "/v1/reload", "")
	p.refuses(403, "browser", "POST", "/v1/reload", "", "Origin: https://evil.example")
}
