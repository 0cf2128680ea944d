package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// adminPage starts a gateway with its admin page and opens it. Without npm the page is
// not in the program, and there is nothing to test.
func adminPage(t *testing.T, o wstest.Options) (g *wstest.Gateway, p *page, url string) {
	t.Helper()
	url = "http://" + wstest.FreeAddr(t) + "/"
	o.Flags = append(o.Flags, "--admin", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	g = wstest.StartWith(t, o)
	needPage(t, url)
	return g, openPage(t, url), url
}

// needPage skips a test where the page was not built.
func needPage(t *testing.T, url string) {
	t.Helper()
	needPageOf(t, http.DefaultClient, url)
}

// needPageOf is needPage with a client of its own.
func needPageOf(t *testing.T, client *http.Client, url string) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if strings.Contains(string(text), `id="app"`) {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("the admin page is not built; make test builds it")
	}
	t.Skip("the admin page is not built; make page builds it")
}

// eval evaluates an expression in the page, as text; "" where what it looks at is not
// there.
func (p *page) eval(expression string) string {
	p.t.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("String(("+expression+") ?? '')"))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// sees waits until an element that a selector finds shows all the words.
func (p *page) sees(selector string, words ...string) string {
	p.t.Helper()
	var got string
	wstest.Await(p.t, func() string {
		got = p.eval(fmt.Sprintf("document.querySelector(%q)?.textContent", selector))
		for _, word := range words {
			if !strings.Contains(got, word) {
				return fmt.Sprintf("%s shows %q, without %q", selector, got, word)
			}
		}
		if got == "" {
			return selector + " shows nothing"
		}
		return ""
	})
	return got
}

// goTo goes to a view of the admin page.
func (p *page) goTo(hash string) {
	p.t.Helper()
	p.run(fmt.Sprintf("location.hash = %q", hash))
}

// types replaces what a field has, as a user does, and presses Enter.
func (p *page) types(selector, text string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(selector))
	p.run(fmt.Sprintf("document.querySelector(%q).select()", selector))
	p.do(chromedp.SendKeys(selector, text+"\r"))
}

// A newcomer opens the page of a gateway without keys: the page is a client, and a push
// arrives.
func TestAdminTry(t *testing.T) {
	t.Parallel()
	g, p, _ := adminPage(t, wstest.Options{})
	p.sees("main .empty", "No client is connected")
	p.accessible(readAxe(t), "an empty overview")
	p.screenshot("overview-empty")
	p.goTo("#/try")
	p.sees("#try-state", "connected")
	id := p.sees("#try-id")
	p.types("#push-text", "<b>first</b> message")
	p.sees("#try-messages", "<b>first</b> message")
	p.sees("#push-result", "matched 1, written 1")
	p.screenshot("try")
	if status, _ := g.Control("GET", "/v1/clients/"+id, nil); status != 200 {
		t.Errorf("the page's client: %d", status)
	}
}

// An operator logs in with a key, finds a client, and does all that can be done to it.
func TestAdminOperates(t *testing.T) {
	t.Parallel()
	const key = "a-key-of-some-length"
	g, p, _ := adminPage(t, wstest.Options{Key: key, Flags: []string{
		"--control-key", key, "--events-url", "http://" + wstest.FreeAddr(t), "--events-secret", eventsSecret, "--events-retry-max", "1s", // nobody listens
	}})
	p.sees("h1", "Log in")
	p.types("#key", "a wrong key")
	p.sees("#login-error", "not a key of the control API")
	axe := readAxe(t)
	p.accessible(axe, "login")
	p.screenshot("login")
	p.types("#key", key)
	p.sees("h1", "Overview")

	c := g.Dial(t)
	p.sees("main", "Queue of events", "To be told", "Events to be told")
	p.goTo("#/tail")
	p.sees("#tail-state", "Live")
	p.goTo("#/search")
	p.types("#search-value", "ann")
	p.sees("#search-state", "Nobody is connected with the uid ann")
	p.goTo("#/client?id=" + c.ID)
	p.sees("#facts", "not bound")
	p.types("#bind-uid", "ann")
	p.sees("#bind-result", "bound")
	p.types("#join-group", "room")
	p.sees("#join-result", "joined")
	p.sees("#facts", "ann", "room")
	p.types("#push-text", "hi there")
	p.sees("#push-result", "matched 1, written 1")
	c.Expect("hi there")
	p.types("#leave-group", "room")
	p.sees("#leave-result", "left")
	p.screenshot("client")
	p.goTo("#/search?uid=ann")
	p.sees("#found", c.ID)
	p.screenshot("search")
	p.goTo("#/client?id=" + c.ID)
	p.types("#kick-reason", "enough")
	p.sees("#gone", "not connected any more")
	p.sees("#explained", "kicked", "1000", "ann")
	p.accessible(axe, "a client that has gone")
	p.screenshot("gone")
	for _, action := range []string{"admin_login", "bind", "join", "push", "leave", "kick"} {
		if !strings.Contains(g.Log(), "action="+action+" ") {
			t.Errorf("the audit log has no %s", action)
		}
	}
	if strings.Contains(g.Log(), "hi there") {
		t.Error("a message is in the log")
	}
}
