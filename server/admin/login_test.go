package admin

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"castgate/server/control/access"
	"castgate/server/internal/audit"
)

func keyOf(name string, scopes access.Scope, secret string) access.Key {
	return access.Key{Name: name, Scopes: scopes, Hash: sha256.Sum256([]byte(secret))}
}

// Who logs in gets a cookie that scripts cannot read, and that lives no longer than its
// key.
func TestLogin(t *testing.T) {
	t.Parallel()
	r := start(t, "read,manage ops good-key", "push app push-key")
	r.refuses(401, "logged_out", "GET", "/api/overview", "", nil)
	r.refuses(401, "unauthorized", "POST", "/api/login", `{"key":"bad-key"}`, nil)
	r.refuses(403, "forbidden", "POST", "/api/login", `{"key":"push-key"}`, nil)
	req, _ := http.NewRequest("POST", r.url+"/api/login", strings.NewReader(`{"key":"good-key"}`))
	req.Header.Set("Origin", r.url)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cookie := resp.Header.Get("Set-Cookie")
	for _, want := range []string{"castgate-admin-", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q lacks %s", cookie, want)
		}
	}
	if s := r.ok("GET", "/api/session", ""); s["key"] != "ops" || fmt.Sprint(s["scopes"]) != "[read manage]" || s["keyless"] != false {
		t.Errorf("session: %v", s)
	}
	log := r.log()
	if !strings.Contains(log, "action=admin_login key=ops") || strings.Count(log, "action=refused") != 2 || strings.Contains(log, "good-key") || strings.Contains(log, "bad-key") {
		t.Errorf("audit log:\n%s", log)
	}
	r.ok("POST", "/api/logout", `{}`)
	r.refuses(401, "logged_out", "GET", "/api/session", "", nil)
	r.login("good-key")
	r.allow("read,manage ops another-key")
	r.refuses(401, "logged_out", "GET", "/api/session", "", nil)
}

// A page that opens asks whether it gets in without a key. However often it is opened,
// that is no wrong key: it is not counted, slows nobody down, and is not in the audit log.
func TestOpeningThePageIsNoGuess(t *testing.T) {
	t.Parallel()
	r := start(t, "read ops key")
	for range 3 * wrongBurst {
		r.refuses(401, "logged_out", "GET", "/api/session", "", nil)
		r.refuses(401, "logged_out", "POST", "/api/login", `{"key":""}`, nil)
	}
	r.login("key")
	if wrong, log := r.gate.wrong.Load(), r.log(); wrong != 0 || strings.Contains(log, "action=refused") {
		t.Errorf("%d wrong keys; audit log:\n%s", wrong, log)
	}
}

// A cookie of another process opens nothing.
func TestCookieOfAnotherProcess(t *testing.T) {
	t.Parallel()
	a, b := start(t, "read ops key"), start(t, "read ops key")
	a.login("key")
	cookie := a.http.Jar.Cookies(mustURL(t, a.url))[0]
	b.refuses(401, "logged_out", "GET", "/api/overview", "", func(req *http.Request) {
		req.AddCookie(&http.Cookie{Name: b.cookieName(), Value: cookie.Value})
	})
}

// Wrong keys are answered as such five times, then every five seconds. A right one gets in
// all the while, of the page as of a program, or else whoever shares a network with the
// operator could keep him out.
func TestWrongKeysKeepNobodyOut(t *testing.T) {
	t.Parallel()
	r := start(t, "read ops key", "push app push-key")
	bring := func(key string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set("X-API-Key", key) }
	}
	wrong := uint64(0)
	// guess tries wrong keys until it is told to wait.
	guess := func(method, path, body string, change func(*http.Request)) {
		t.Helper()
		for range 10 * wrongBurst {
			status, answer := r.ask(method, path, body, change)
			wrong++
			switch {
			case status == http.StatusTooManyRequests && answer["code"] == "too_many_logins":
				return
			case status != http.StatusUnauthorized || answer["code"] != "unauthorized":
				t.Fatalf("a wrong key: %d %v", status, answer)
			}
		}
		t.Fatalf("%s %s: nothing slows down who guesses", method, path)
	}
	guess("POST", "/api/login", `{"key":"guess"}`, nil)
	guess("GET", "/api/overview", "", bring("guess"))
	guess("POST", "/api/login", `{}`, bring("guess"))
	r.refuses(403, "forbidden", "POST", "/api/login", `{"key":"push-key"}`, nil)
	r.login("key")
	if status, answer := r.ask("GET", "/api/overview", "", bring("key")); status != http.StatusOK {
		t.Errorf("a program with the right key: %d %v", status, answer)
	}
	if got := r.gate.wrong.Load(); got != wrong || wrong <= wrongBurst {
		t.Errorf("%d of %d wrong keys are counted", got, wrong)
	}
	if !strings.Contains(r.log(), "code=too_many_logins") {
		t.Errorf("not audited:\n%s", r.log())
	}
}

// A flood of wrong keys fills no audit log, and keeps nobody out who has a right one.
func TestFloodOfWrongKeys(t *testing.T) {
	t.Parallel()
	r := start(t, "read ops key")
	began := time.Now()
	for range 200 {
		if status, answer := r.ask("POST", "/api/login", `{"key":"guess"}`, nil); status != 401 && status != 429 {
			t.Fatalf("%d %v", status, answer)
		}
	}
	r.login("key")
	spans := int(time.Since(began)/audit.RefusalSpan) + 2
	if n := strings.Count(r.log(), "action=refused"); n > spans*audit.MostRefusals {
		t.Errorf("%d records of refusals in %d spans", n, spans)
	}
}

// However many networks try, what is remembered of them is bounded, and the others wait
// together.
func TestGateIsBounded(t *testing.T) {
	g := newGate()
	for i := range 3 * mostNetworks {
		g.tells(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if len(g.wait) > mostNetworks {
		t.Errorf("%d networks are remembered", len(g.wait))
	}
	if g.tells("192.0.2.1:5") {
		t.Error("a flood of wrong keys does not slow down")
	}
}

// A change that a page of another site causes is refused, cookie or not, and so is its
// WebSocket.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	r := start(t, "read,push,manage ops key")
	r.login("key")
	foreign := func(origin string) func(*http.Request) {
		return func(req *http.Request) {
			if req.Header.Del("Origin"); origin != "" {
				req.Header.Set("Origin", origin)
			}
		}
	}
	for _, origin := range []string{"", "null", "http://evil.example", strings.Replace(r.url, "http", "https", 1), r.url + ".evil.example"} {
		for path := range actions {
			r.refuses(403, "browser", "POST", "/api/"+path, `{}`, foreign(origin))
		}
		r.refuses(403, "browser", "POST", "/api/login", `{"key":"key"}`, foreign(origin))
		r.refuses(403, "browser", "GET", "/api/tail", "", func(req *http.Request) {
			foreign(origin)(req)
			for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="} {
				req.Header.Set(name, value)
			}
		})
	}
	if _, answer := r.ask("POST", "/api/kick", `{}`, foreign("")); !strings.Contains(fmt.Sprint(answer["detail"]), "no Origin header: a page's browser sends one, a program sends a key instead") {
		t.Errorf("a program that is no page is told %v", answer)
	}
	// A form of another site can send no JSON.
	r.refuses(415, "unsupported_media_type", "POST", "/api/kick", `client_ids=x`, func(req *http.Request) { req.Header.Set("Content-Type", "application/x-www-form-urlencoded") })
	r.refuses(400, "invalid_json", "POST", "/api/kick", `{"client_ids":["x"]} {}`, nil)
	r.refuses(400, "invalid_json", "POST", "/api/kick", `{"clients":["x"]}`, nil)
	r.refuses(413, "body_too_large", "POST", "/api/push", `{"text":"`+strings.Repeat("x", bodySize)+`"}`, nil)
}

// What is wrong with a body is said in the words of JSON.
func TestWrongBodies(t *testing.T) {
	t.Parallel()
	r := start(t, "read,push,manage ops key")
	r.login("key")
	for body, want := range map[string]string{
		`[]`:                          "the body holds an array where an object must be",
		`{"uids":"x"}`:                "uids holds a string where an array must be",
		`{"uids":[7]}`:                "uids holds a number where a string must be",
		`{"to":{"uids":{}}}`:          "to.uids holds an object where an array must be",
		`{"code":"x"}`:                "code holds a string where a number must be",
		`{"code":70000}`:              "code holds a number that is out of range",
		`{"to":7}`:                    "to holds a number where an object must be",
		`{"to":{"all":1}}`:            "to.all holds a number where a boolean must be",
		`{"text":true}`:               "text holds a boolean where a string must be",
		`{"clients":["x"]}`:           `unknown field "clients"`,
		``:                            "the body is empty",
		`{"uids":`:                    "the body ends within the JSON",
		`{"uids":}`:                   "invalid character '}'",
		`{"code":1} x`:                "something follows the JSON object",
		`{"to":{"uids":["a"],"b":1}}`: `unknown field "b"`,
	} {
		status, answer := r.ask("POST", "/api/kick", body, nil)
		detail := fmt.Sprint(answer["detail"])
		if status != 400 || answer["code"] != "invalid_json" || !strings.HasPrefix(detail, want) || strings.Contains(detail, "Go ") || strings.Contains(detail, "json:") {
			t.Errorf("%s: %d %v, want %s", body, status, answer, want)
		}
	}
}

// Without keys, whoever is on this host may look; a name that somebody made resolve to
// this host may not (DNS rebinding).
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	r := start(t)
	host := func(name string) func(*http.Request) {
		return func(req *http.Request) {
			req.Host = name
			req.Header.Set("Origin", "http://"+name)
		}
	}
	r.refuses(403, "browser", "POST", "/api/login", `{}`, host("rebound.example.com:7274"))
	r.login("")
	r.refuses(403, "browser", "GET", "/api/overview", "", host("rebound.example.com:7274"))
	if s := r.ok("GET", "/api/session", ""); s["keyless"] != true {
		t.Errorf("session: %v", s)
	}
	r.allow("read ops key") // keys came with a reload
	r.refuses(401, "logged_out", "GET", "/api/session", "", nil)
}

// There are at most so many sessions: the oldest ends.
func TestSessionsAreBounded(t *testing.T) {
	s := newSessions()
	first := s.begin(session{})
	for range mostSessions {
		s.begin(session{})
	}
	if _, ok := s.of(first); ok || len(s.all) != mostSessions {
		t.Errorf("%d sessions, the first is there: %v", len(s.all), ok)
	}
}

// A key does what its scopes say.
func TestScopes(t *testing.T) {
	t.Parallel()
	r := start(t, "read look r-key", "manage change m-key", "read,push send p-key")
	id := r.dial()
	bodies := map[string]string{
		"push": `{"to":{"client_ids":["` + id + `"]},"text":"hi"}`, "bind": `{"client_id":"` + id + `","uid":"ann"}`,
		"join": `{"client_ids":["` + id + `"],"groups":["g"]}`, "leave": `{"client_ids":["` + id + `"],"groups":["g"]}`,
		"kick": `{"client_ids":["nobody"]}`,
	}
	for _, c := range []struct{ key, may string }{{"r-key", ""}, {"m-key", "bind join leave kick"}, {"p-key", "push"}} {
		r.login(c.key)
		r.ok("GET", "/api/overview", "")
		for name, body := range bodies {
			if strings.Contains(c.may, name) {
				r.ok("POST", "/api/"+name, body)
			} else {
				r.refuses(403, "forbidden", "POST", "/api/"+name, body, nil)
			}
		}
	}
}
