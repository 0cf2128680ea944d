package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// laravelUser signs in to examples/laravel without a browser.
type laravelUser struct {
	t    *testing.T
	site string
	http http.Client
	csrf string
}

// post sends JSON and returns the status and the answer.
func (u *laravelUser) post(path string, body M, header ...string) (status int, answer M) {
	u.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		u.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", u.site+path, strings.NewReader(string(text)))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-CSRF-TOKEN", u.csrf)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := u.http.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	_ = json.Unmarshal(said, &answer) // there may be none
	return resp.StatusCode, answer
}

// visit reads the page and its token against CSRF.
func (u *laravelUser) visit() {
	u.t.Helper()
	resp, err := u.http.Get(u.site + "/")
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	found := regexp.MustCompile(`csrf-token" content="([^"]+)"`).FindSubmatch(text)
	if resp.StatusCode != http.StatusOK || found == nil {
		u.t.Fatalf("the page: status %d\n%s", resp.StatusCode, text)
	}
	u.csrf = string(found[1])
}

func newLaravelUser(t *testing.T, site, name string) *laravelUser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := &laravelUser{t: t, site: site, http: http.Client{Jar: jar}}
	u.visit()
	if name == "" {
		return u
	}
	resp, err := u.http.PostForm(site+"/sign-in", url.Values{"_token": {u.csrf}, "name": {name}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	u.visit()
	return u
}

// startLaravel serves examples/laravel with Debian's Laravel.
func startLaravel(t *testing.T, g *wstest.Gateway) (site string) {
	t.Helper()
	php := program(t, "php", "php-cli")
	if exec.Command(php, "-r", "exit((int) !stream_resolve_include_path('Illuminate/Foundation/Application.php'));").Run() != nil {
		program(t, "php-laravel-framework") // there is no such program: it says what is missing
	}
	root, storage, listen := wstest.Root(t), t.TempDir(), wstest.FreeAddr(t)
	for _, folder := range []string{"framework/sessions", "framework/views"} {
		if err := os.MkdirAll(filepath.Join(storage, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	public := filepath.Join(root, "examples/laravel/public")
	cmd := exec.Command(php, "-d", "display_errors=stderr", "-S", listen, "-t", public, filepath.Join(public, "index.php"))
	cmd.Env = append(os.Environ(), "AUTOLOAD="+filepath.Join(root, "e2e/testdata/debianlaravel.php"), "STORAGE="+storage,
		"APP_PACKAGES_CACHE="+storage+"/packages.php", "APP_SERVICES_CACHE="+storage+"/services.php",
		"CASTGATE_CONTROL="+g.ControlAddr, "CASTGATE_CONTROL_KEY="+controlKey, "WS_URL=ws://"+g.Addr+"/")
	p := wstest.Spawn(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Laravel's log:\n%.5000s", p.Log())
		}
	})
	g.Await(func() string {
		resp, err := http.Get("http://" + listen + "/castgate.js")
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return ""
	})
	return "http://" + listen
}

// TestLaravelExample: page, Laravel, castgate and back, with the broadcaster of
// clients/php: sign in, bind, join a channel, broadcast to others, one user, a
// restart.
func TestLaravelExample(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	site := startLaravel(t, g)

	stranger := newLaravelUser(t, site, "")
	if status, _ := stranger.post("/bind", M{"client_id": "x"}); status != http.StatusUnauthorized {
		t.Errorf("a bind by nobody: status %d, want 401", status)
	}
	bob, c := newLaravelUser(t, site, "bob"), g.Dial(t)
	for _, call := range []struct {
		path   string
		body   M
		status int
	}{
		{"/bind", M{"client_id": "gone"}, 404},
		{"/bind", M{"client_id": c.ID}, 204},
		{"/broadcasting/auth", M{"socket_id": c.ID, "channel_name": "private-room.secret"}, 403},
		{"/broadcasting/auth", M{"socket_id": c.ID, "channel_name": "private-nothing"}, 403},
		{"/broadcasting/auth", M{"socket_id": c.ID}, 400},
		{"/broadcasting/auth", M{"socket_id": "gone", "channel_name": "private-room.lobby"}, 404},
		{"/broadcasting/auth", M{"socket_id": c.ID, "channel_name": "private-room.lobby"}, 200},
		{"/broadcasting/auth", M{"socket_id": c.ID, "channel_name": "news"}, 200},
	} {
		if status, answer := bob.post(call.path, call.body); status != call.status {
			t.Errorf("%s %v: status %d (%v), want %d", call.path, call.body, status, answer["message"], call.status)
		}
	}
	expectFields(t, g.OK("GET", "/v1/clients/"+c.ID, nil), M{"uid": "bob"})
	expectFields(t, g.OK("POST", "/v1/counts", M{"groups": []string{"news", "private-room.lobby", "private-nothing"}}),
		M{"groups": map[string]any{"news": 1.0, "private-room.lobby": 1.0, "private-nothing": 0.0}})

	page := openPage(t, site)
	page.fill("name", "Zoë <b>")
	page.click("sign-in")
	page.await("me", "Zoë <b>")
	page.await("state", "open")
	laravelTalk(t, page, bob, c)

	g.Kill()
	page.await("state", "waiting")
	g.Restart()
	page.await("state", "open")
	if status, answer := bob.post("/whispers", M{"to": "Zoë <b>", "text": "after the restart"}); status != 200 || answer["reached"] != 1.0 {
		t.Errorf("after the restart: %d %v", status, answer)
	}
	page.await("log", "bob whispers: after the restart")
}

// laravelTalk: what one says the other gets, and nobody gets what is not theirs.
func laravelTalk(t *testing.T, page *page, bob *laravelUser, c *wstest.Client) {
	t.Helper()
	if status, _ := bob.post("/messages", M{"text": "hello ✓ <i>"}, "X-Socket-ID", c.ID); status != 204 {
		t.Errorf("a message: status %d", status)
	}
	page.await("log", "bob: hello ✓ <i>")
	page.fill("text", "hello, bob")
	page.click("send")
	var event struct {
		Event    string
		Channels []string
		Data     M
	}
	if got := c.Next(); json.Unmarshal([]byte(got.Data), &event) != nil || event.Event != `App\Events\MessageSent` ||
		strings.Join(event.Channels, " ") != "private-room.lobby" || event.Data["text"] != "hello, bob" || event.Data["from"] != "Zoë <b>" {
		t.Errorf("bob got %q", got.Data)
	}
	page.fill("to", "bob")
	page.fill("whisper", "psst")
	page.click("whisper-send")
	if got := c.Next(); !strings.Contains(got.Data, `"whisper"`) || !strings.Contains(got.Data, "psst") {
		t.Errorf("bob got %q", got.Data)
	}
	page.fill("to", "x")
	page.click("whisper-send")
	log := page.await("log", "psstx is not there")
	if strings.Contains(log, "Zoë <b>: hello, bob") || !strings.Contains(log, "me: hello, bob") {
		t.Errorf("toOthers sent the page its own message: %q", log)
	}
	c.ExpectNothing()
}

// TestThinkPHPService: the service of clients/php for ThinkPHP, with stand-ins for
// what it uses of ThinkPHP, which Debian does not have.
func TestThinkPHPService(t *testing.T) {
	t.Parallel()
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	c := g.Dial(t)
	phpScript(t, "clients/php/tests/thinkphp.php", controlEnv(g), c.ID)
	c.Expect("from ThinkPHP", "and with the names of GatewayClient")
}
