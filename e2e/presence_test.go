package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// TestPresenceInGo and TestPresenceInPHP show the same with a real browser.
func TestPresenceInGo(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	binary := filepath.Join(t.TempDir(), "presence")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = filepath.Join(wstest.Root(t), "examples/presence/go")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	presence(t, func(string) *exec.Cmd { return exec.Command(binary) })
}

func TestPresenceInPHP(t *testing.T) {
	t.Parallel()
	php := program(t, "php", "php-cli")
	program(t, "chromium", "chromium-browser", "google-chrome")
	if out, err := exec.Command(php, "-r", "new SQLite3(':memory:');").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skip("PHP has no SQLite (Debian: apt-get install php-sqlite3)")
	}
	presence(t, func(listen string) *exec.Cmd {
		return exec.Command(php, "-S", listen, filepath.Join(wstest.Root(t), "examples/presence/php/index.php"))
	})
}

// presence goes through everything that the example shows.
func presence(t *testing.T, backend func(listen string) *exec.Cmd) {
	listen, dir := wstest.FreeAddr(t), t.TempDir()
	address := "http://" + listen + "/"
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{
		"--control-key", controlKey, "--events-url", address + "events", "--events-secret", eventsSecret,
		"--events-dir", filepath.Join(dir, "events"), "--events-retry-max", "200ms",
	}})
	var p *wstest.Process
	start := func() {
		cmd := backend(listen)
		cmd.Env = append(os.Environ(), "LISTEN="+listen, "EVENTS_SECRET= "+eventsSecret+"  ", "DATABASE="+filepath.Join(dir, "presence.sqlite"),
			"PAGE="+filepath.Join(wstest.Root(t), "examples/presence/page"), "WS_URL=ws://"+g.Addr+"/",
			"CASTGATE_CONTROL="+g.ControlAddr, "CASTGATE_CONTROL_KEY="+controlKey)
		p = wstest.Spawn(t, cmd)
		g.Await(func() string {
			resp, err := http.Get(address + "online")
			if err != nil {
				return err.Error()
			}
			resp.Body.Close()
			return ""
		})
	}
	start()
	defer func() {
		if t.Failed() {
			t.Logf("the backend's log:\n%s", p.Log())
		}
	}()
	refusesForms(t, address+"login")
	refusesForged(t, address+"events")

	page := openPage(t, address)
	page.await("state", "connected")
	page.fill("name", `Zoë <b>&"'`)
	page.click("login")
	page.await("online", `Zoë <b>&"'`)
	other := g.Dial(t)
	g.Bind(other.ID, "Bob")
	page.await("online", "Bob")
	other.Close()
	page.awaitNot("online", "Bob")

	// The backend is killed: what happens meanwhile is told when it is there again.
	p.Signal(os.Kill)
	p.Exited(t, wstest.Patience)
	late := g.Dial(t)
	g.Bind(late.ID, "Late")
	start()
	page.await("online", "Zoë", "Late")

	// The gateway is killed: who does not come back is offline. The page does.
	g.Kill()
	g.Restart()
	page.awaitNot("online", "Late")
	page.await("state", "online as Zoë")
	page.await("online", "Zoë")

	// A client that is not there, and the event that has the backend ask who is.
	const ghost = `{"id":"x-1","type":"castgate.client.connected","subject":"ghost","sequence":1,"instance":"x","data":{"uid":"Ghost"}}`
	if status := tellSigned(t, address+"events", eventsSecret, "["+ghost+"]"); status != http.StatusNoContent {
		t.Errorf("status %d, want 204", status)
	}
	page.await("online", "Ghost", "Zoë")
	tellSigned(t, address+"events", eventsSecret, `[{"id":"x-2","type":"castgate.events.lost","instance":"x","data":{"count":1,"reason":"quota"}}]`)
	page.awaitNot("online", "Ghost")
	page.await("online", "Zoë")
	page.screenshot("presence-" + filepath.Base(backend("").Path))
	page.click("logout")
	page.awaitNot("online", "Zoë")
}

// refusesForged expects that a backend accepts nothing that others have signed.
func refusesForged(t *testing.T, url string) {
	t.Helper()
	for _, wrong := range []string{"whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB", ""} {
		if status := tellSigned(t, url, wrong, "[]"); status != http.StatusUnauthorized {
			t.Errorf("a signature by %q is answered %d, want 401", wrong, status)
		}
	}
}

// tellSigned POSTs a body as castgate would, and returns the status.
func tellSigned(t *testing.T, url, secret, body string) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(signedEvents(t, url, secret, body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// signedEvents is a request as castgate would send it.
func signedEvents(t *testing.T, url, secret, body string) *http.Request {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("msg." + stamp + "." + body))
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/cloudevents-batch+json", "webhook-id": "msg", "webhook-timestamp": stamp,
		"webhook-signature": "v1,other v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(name, value)
	}
	return req
}
