package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// controlKey is the key of the gateway under the examples, so that the test shows
// that they send it.
const controlKey = "examples-key-0123456789"

// TestPHPExample and TestGoExample run the same round trip with a real browser.
func TestPHPExample(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	program(t, "chromium", "chromium-browser", "google-chrome")
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	listen := wstest.FreeAddr(t)
	cmd := exec.Command(php, "-S", listen, "-t", filepath.Join(wstest.Root(t), "examples/php"),
		"-d", "session.save_path="+t.TempDir(), "-d", "display_errors=1")
	exampleRoundTrip(t, g, "http://"+listen+"/", "bind.php", cmd)
}

func TestGoExample(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	binary := filepath.Join(t.TempDir(), "backend")
	wstest.GoBuild(t, binary, "./examples/go")
	listen := wstest.FreeAddr(t)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "LISTEN="+listen)
	exampleRoundTrip(t, g, "http://"+listen+"/", "bind", cmd)
}

// exampleRoundTrip starts a backend and goes through everything that the example
// shows.
func exampleRoundTrip(t *testing.T, g *wstest.Gateway, address, bindRoute string, backend *exec.Cmd) {
	if backend.Env == nil {
		backend.Env = os.Environ()
	}
	backend.Env = append(backend.Env, "CASTGATE_CONTROL="+g.ControlAddr, "CASTGATE_CONTROL_KEY="+controlKey, "WS_URL=ws://"+g.Addr+"/")
	p := wstest.Spawn(t, backend)
	defer func() {
		if t.Failed() {
			t.Logf("the backend's log:\n%s", p.Log())
		}
	}()
	g.Await(func() string {
		resp, err := http.Get(address)
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return ""
	})
	refusesForms(t, address+bindRoute)

	page := openPage(t, address)
	id := page.connected()
	expectFields(t, g.OK("GET", "/v1/clients/"+id, nil), M{"client_id": id, "uid": nil})
	page.send("all", "", "too early")
	page.await("error", "bind this page to a name first")
	const name = `Zoë <b>&"'`
	page.bind(name, "lobby ✓")
	expectFields(t, g.OK("GET", "/v1/clients/"+id, nil), M{"uid": name, "groups": []string{"lobby ✓"}})

	pageSends(t, g, page, name)
	pageReceives(t, g, page, id)
	page.screenshot(strings.TrimSuffix(bindRoute, ".php") + "-" + filepath.Base(backend.Path))
	pageKicked(t, g, page, name)
	pageSurvivesRestart(t, g, page, name)
}

// refusesForms: a form on a foreign site cannot act for the user.
func refusesForms(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader("client_id=x&name=y&group=z"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form post to %s: status %d, want 415", url, resp.StatusCode)
	}
}

// pageSends: what the page sends through its backend comes back to it, and reaches
// another client only if that is addressed.
func pageSends(t *testing.T, g *wstest.Gateway, page *page, name string) {
	t.Helper()
	other := g.Dial(t)
	g.Bind(other.ID, "other", "lobby ✓")
	for i, target := range []string{"client", "uid", "group", "all"} {
		text := fmt.Sprintf("number %d <i>to</i> %s & \"quotes\"", i, target)
		page.send(target, "", text)
		page.await("log", text, name+" to "+target)
		if target == "group" || target == "all" {
			if m := other.Next(); !strings.Contains(m.Data, "number") {
				t.Errorf("the other client got %q", m.Data)
			}
		}
	}
	page.click("exclude-me")
	page.send("group", "lobby ✓", "not for myself")
	if m := other.Next(); !strings.Contains(m.Data, "not for myself") {
		t.Errorf("the other client got %q", m.Data)
	}
	page.click("exclude-me")
	page.send("uid", "nobody here", "into the void")
	if log := page.await("log", "nobody is online"); strings.Contains(log, "not for myself") {
		t.Errorf("the page got what excluded it: %q", log)
	}
	other.ExpectNothing()
	other.Close()
}

// pageReceives: the page shows payloads of every kind correctly.
func pageReceives(t *testing.T, g *wstest.Gateway, page *page, id string) {
	t.Helper()
	to := wstest.To("client_ids", id)
	g.Push(to, `plain <script>document.title="broken"</script>`)
	g.OK("POST", "/v1/push", M{"to": to, "json": M{"type": "other", "n": 1}})
	g.OK("POST", "/v1/push", M{"to": to, "base64": "AAEC"})
	page.await("log", `plain <script>document.title="broken"</script>`, `"type":"other"`, "binary", "3 bytes")
}

// pageKicked: the text and the reason of a kick are shown. The page stays
// disconnected until its user reconnects, and is then bound again automatically.
func pageKicked(t *testing.T, g *wstest.Gateway, page *page, name string) {
	t.Helper()
	g.OK("POST", "/v1/kick", M{"uids": []string{name}, "code": 4100, "reason": "signed out elsewhere", "text": "a last word"})
	page.await("log", "a last word", "4100 signed out elsewhere")
	page.await("state", "closed by the backend", "signed out elsewhere")
	g.AwaitMetric("castgate_connections", 0)
	page.click("connect")
	page.connected()
	page.await("bound", name)
	if n := g.Push(wstest.To("uids", name), "welcome back"); n != 1 {
		t.Errorf("matched %d, want 1", n)
	}
	page.await("log", "welcome back")
}

// pageSurvivesRestart: after kill -9 and a start on the same port the page
// reconnects with a new id and is bound again.
func pageSurvivesRestart(t *testing.T, g *wstest.Gateway, page *page, name string) {
	t.Helper()
	before := page.connected()
	g.Kill()
	page.await("state", "trying again")
	g.Restart()
	after := page.connected()
	page.await("bound", name+", in group lobby ✓")
	if after == before {
		t.Errorf("client_id %s came back after the restart", after)
	}
	g.Push(M{"uids": []string{name}, "groups": []string{"lobby ✓"}}, "after the restart")
	page.await("log", "after the restart")
	page.send("group", "", "and the page still sends")
	page.await("log", "and the page still sends")
}
