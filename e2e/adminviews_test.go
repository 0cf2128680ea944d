package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// watched is a page that remembers what its Content-Security-Policy has forbidden, and
// what went wrong in it.
func watched(t *testing.T, url string) *page {
	t.Helper()
	p := openPage(t, "about:blank")
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: `
			window.wrong = [];
			addEventListener("securitypolicyviolation", (e) => wrong.push("policy: " + e.violatedDirective + " " + e.blockedURI));
			addEventListener("error", (e) => wrong.push("error: " + e.message));
			addEventListener("unhandledrejection", (e) => wrong.push("rejection: " + e.reason));`})
		return err
	}))
	p.do(chromedp.Navigate(url))
	return p
}

// emulates sets the width of the window, and light or dark.
func (p *page) emulates(width, height int64, scheme string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// readAxe is the script that looks for what keeps people from using a page.
func readAxe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "server/admin/page/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// narrow checks that a view is no wider than the window.
func (p *page) narrow(view string) {
	p.t.Helper()
	if over := p.eval("document.documentElement.scrollWidth - innerWidth"); over != "0" && !strings.HasPrefix(over, "-") {
		p.t.Errorf("%s is %s pixels too wide", view, over)
	}
}

// accessible checks what axe finds in the view that is open.
func (p *page) accessible(axe, view string) {
	p.t.Helper()
	p.run(axe)
	p.run(`window.found = undefined; axe.run().then((r) => {
		window.found = r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
			.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " (" + (n.any[0]?.message ?? "") + ")").join(", ")).join("; ") || "nothing"; })`)
	if got := p.awaitEval("window.found"); got != "nothing" {
		p.t.Errorf("%s: axe finds %s", view, got)
	}
}

// awaitEval waits until an expression is not empty.
func (p *page) awaitEval(expression string) (got string) {
	p.t.Helper()
	wstest.Await(p.t, func() string {
		if got = p.eval(expression); got == "" {
			return expression + " is empty"
		}
		return ""
	})
	return got
}

// hostile are names and values that would do something if they were not shown as text.
var hostile = struct{ uid, group, nul, agent string }{
	uid:   `<img src=x onerror="window.pwned=1">`,
	group: `"><script>window.pwned=1</script>`,
	nul:   strings.Repeat("\x00", 128),
	agent: `<svg onload=window.pwned=1>`,
}

// hostileClient connects a client all of whose names are markup, with a session of 4 KiB, as JSON,
// of it.
func hostileClient(t *testing.T, g *wstest.Gateway) *wstest.Client {
	t.Helper()
	c := g.DialWith(t, wstest.DialOptions{Header: http.Header{"User-Agent": {hostile.agent}}})
	g.Bind(c.ID, hostile.uid, hostile.group, hostile.nul)
	g.OK("PUT", "/v1/clients/"+c.ID+"/session", M{"html": strings.Repeat("<script>window.pwned=1</script>", 79)})
	return c
}

// Every view, on a desk and on a phone, in light and dark: nothing that the policy
// forbids, nothing serious that axe finds, nothing wider than the window, and markup in
// names is text.
func TestAdminViews(t *testing.T) {
	t.Parallel()
	url := "http://" + wstest.FreeAddr(t) + "/"
	g := wstest.Start(t, "--admin", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	needPage(t, url)
	axe := readAxe(t)
	p := watched(t, url)
	p.sees("h1", "Overview")
	p.goTo("#/tail")
	p.sees("#tail-state", "Live")
	c := hostileClient(t, g)
	p.sees("#tail", "connect", hostile.agent, hostile.uid)
	g.Push(wstest.To("groups", hostile.group), "<script>window.pwned=1</script>")
	p.sees("#tail", "push", hostile.group, "1 matched")
	gone := hostileClient(t, g)
	g.OK("POST", "/v1/kick", M{"client_ids": []string{gone.ID}, "reason": "<b>"})
	p.sees("#tail", "end", "kicked")
	for _, view := range []struct{ name, hash, selector, text string }{
		{"tail", "", "#tail", "kicked"},
		{"overview", "#/overview", "#connections", "1"},
		{"search", "#/search?uid=" + escaped(hostile.uid), "#found", hostile.group},
		{"client", "#/client?id=" + c.ID, "#facts", hostile.uid},
		{"explained", "#/client?id=" + gone.ID, "#explained", "kicked"},
		{"try", "#/try", "#try-state", "connected"},
	} {
		if view.hash != "" {
			p.goTo(view.hash)
		}
		p.sees(view.selector, view.text)
		for _, how := range []struct {
			name, scheme string
			width        int64
		}{{"", "light", 1100}, {"-dark", "dark", 1100}, {"-phone", "light", 390}} {
			p.emulates(how.width, 800, how.scheme)
			p.narrow(view.name + how.name)
			// Colours are all that the dark changes, and both of these have all of them.
			if how.scheme == "dark" && view.name != "client" && view.name != "overview" || how.width < 1000 && view.name != "tail" {
				p.screenshot(view.name + how.name)
				continue
			}
			p.accessible(axe, view.name+how.name)
			p.screenshot(view.name + how.name)
		}
	}
	if got := p.eval("window.pwned"); got != "" {
		t.Error("markup in a name was run")
	}
	p.goTo("#/client?id=" + c.ID)
	p.sees("#facts", hostile.uid, `\u{0}\u{0}`, "<script>window.pwned=1</script>")
	if got := p.eval("JSON.stringify(window.wrong)"); got != "[]" {
		t.Errorf("in the page: %s", got)
	}
}

// escaped is a value in the query of a view.
func escaped(value string) string {
	return strings.NewReplacer(" ", "%20", "<", "%3C", ">", "%3E", `"`, "%22", "=", "%3D", "/", "%2F").Replace(value)
}

// A page that stays open while the gateway restarts says so and comes back: by itself
// where there are no keys, else with a login.
func TestAdminRestart(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "a-key-of-some-length"} {
		t.Run(fmt.Sprintf("key %t", key != ""), func(t *testing.T) {
			t.Parallel()
			url := "http://" + wstest.FreeAddr(t) + "/"
			o := wstest.Options{Flags: []string{"--admin", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")}, Key: key}
			if key != "" {
				o.Flags = append(o.Flags, "--control-key", key)
			}
			g := wstest.StartWith(t, o)
			needPage(t, url)
			p := watched(t, url)
			if key != "" {
				p.types("#key", key)
			}
			p.sees("h1", "Overview")
			p.goTo("#/tail")
			p.sees("#tail-state", "Live")
			g.Stop()
			p.sees("#banner", "does not answer")
			g.Restart()
			if key != "" {
				p.sees("#login-message", "restarted")
				p.types("#key", key)
			}
			p.sees("#banner", "was restarted")
			p.sees("#tail-state", "Live")
			c := g.Dial(t)
			p.sees("#tail", "connect", c.ID[:8])
		})
	}
}

// All can be done with the keyboard alone: from the top of the page to a push that
// arrives.
func TestAdminByKeyboard(t *testing.T) {
	t.Parallel()
	_, p, _ := adminPage(t, wstest.Options{})
	p.sees("h1", "Overview")
	focus := func(text string) {
		t.Helper()
		for range 60 {
			p.do(chromedp.KeyEvent("\t"))
			if strings.Contains(p.eval("document.activeElement?.textContent || document.activeElement?.id"), text) {
				if p.eval("getComputedStyle(document.activeElement).outlineStyle") == "none" {
					t.Errorf("the focus on %s cannot be seen", text)
				}
				return
			}
		}
		t.Fatalf("Tab does not reach %s", text)
	}
	focus("Skip to the content")
	focus("Try it")
	p.do(chromedp.KeyEvent("\r"))
	p.sees("#try-state", "connected")
	p.sees("#try-id")
	focus("push-text")
	p.do(chromedp.KeyEvent(" by keyboard\r"))
	p.sees("#try-messages", "by keyboard")
}

// What the page's API says is what the control API says.
func TestAdminAndExplainAgree(t *testing.T) {
	t.Parallel()
	addr := wstest.FreeAddr(t)
	const key = "a-key-of-some-length"
	g := wstest.StartWith(t, wstest.Options{Flags: []string{"--admin", addr, "--control-key", key}, Key: key})
	c := g.Dial(t)
	g.Bind(c.ID, "ann")
	c.Close()
	g.Await(func() string {
		if len(g.OK("GET", "/v1/explain?uid=ann", nil)["ends"].([]any)) != 1 {
			return "the end is not remembered"
		}
		return ""
	})
	g.Push(wstest.To("uids", "ann"), "too late")
	req, _ := http.NewRequest("GET", "http://"+addr+"/api/explain?uid=ann", nil)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page M
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	api := g.OK("GET", "/v1/explain?uid=ann", nil)
	for _, x := range []M{page, api} {
		end := x["ends"].([]any)[0].(map[string]any)
		if end["reason"] != "peer_closed" || end["uid"] != "ann" || end["client_id"] != c.ID || len(x["misses"].([]any)) != 1 {
			t.Errorf("%v", x)
		}
	}
}
