package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// tab is a page in a browser.
type tab struct {
	t    *testing.T
	eval func(expression string) string
	// close closes the tab, as its user does.
	close func()
}

// await waits until an expression contains all the words.
func (p *tab) await(expression string, words ...string) string {
	p.t.Helper()
	var got string
	wstest.Await(p.t, func() string {
		got = p.eval(expression)
		for _, word := range words {
			if !strings.Contains(got, word) {
				return fmt.Sprintf("%s is %q, without %q", expression, got, word)
			}
		}
		return ""
	})
	return got
}

const (
	pageState = "document.getElementById('state')?.textContent"
	pageLog   = "document.getElementById('log')?.textContent"
)

// browsers open a tab; the second tab is in the same browser as the first.
var browsers = map[string]func(t *testing.T) func(url string) *tab{
	"chromium": func(t *testing.T) func(url string) *tab {
		program(t, "chromium", "chromium-browser", "google-chrome")
		first := openPage(t, "about:blank")
		return func(url string) *tab {
			ctx, cancel := chromedp.NewContext(first.ctx)
			t.Cleanup(cancel)
			p := &page{t: t, ctx: ctx}
			p.do(chromedp.Navigate(url))
			eval := func(expression string) string {
				t.Helper()
				got, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
				if err != nil {
					t.Fatalf("%s: %v", expression, err)
				}
				return got
			}
			return &tab{t: t, eval: eval, close: func() { chromedp.Cancel(ctx) }}
		}
	},
	"firefox": func(t *testing.T) func(url string) *tab {
		f := openFirefox(t)
		return func(url string) *tab {
			eval, closeTab := f.open(url)
			return &tab{t: t, eval: eval, close: closeTab}
		}
	},
}

// site serves the page of e2e/testdata.
func site(t *testing.T, g *wstest.Gateway) (address string, binds *atomic.Int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "e2e/testdata/page.html"))
	if err != nil {
		t.Fatal(err)
	}
	binds = new(atomic.Int64)
	s := httptest.NewServer(pageSite(t, g, string(text), binds))
	t.Cleanup(s.Close)
	return s.URL + "/?ws=" + url.QueryEscape("ws://"+g.Addr+"/"), binds
}

// pageSite serves a page, the client, and a backend that binds it to ann and counts.
func pageSite(t *testing.T, g *wstest.Gateway, html string, binds *atomic.Int64) http.Handler {
	t.Helper()
	client, err := os.ReadFile(filepath.Join(wstest.Root(t), "clients/js/castgate.js"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, html)
	})
	mux.HandleFunc("GET /castgate.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Write(client)
	})
	mux.HandleFunc("GET /news", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the news") })
	mux.HandleFunc("POST /bind", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			ClientID string `json:"client_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || strings.Contains(html, "X-Page") && r.Header.Get("X-Page") != "yes" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		binds.Add(1)
		status, _, err := g.TryControl("POST", "/v1/bind", M{"client_id": asked.ClientID, "uid": "ann"})
		if err != nil {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
	})
	return mux
}

// TestPageInBrowsers: the client of clients/js in browsers.
func TestPageInBrowsers(t *testing.T) {
	t.Parallel()
	for name, start := range browsers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := start(t)
			g := wstest.Start(t)
			address, binds := site(t, g)
			pageRoundTrip(t, g, open(address))
			binds.Store(0)
			pagesShare(t, g, open(address+"&share"), open(address+"&share"), binds)
			pageQuickstart(t, g, open)
			pageRecipes(t, g, open)
			pageWithoutInit(t, open)
		})
	}
}

// pageRoundTrip: messages of every kind, a gateway that is killed, one that stops, each
// of which starts again, events of the page, a kick.
func pageRoundTrip(t *testing.T, g *wstest.Gateway, p *tab) {
	t.Helper()
	before := p.await(pageState, "open")
	g.Push(wstest.To("uids", "ann"), "héllo <b>")
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "json": M{"n": 1}})
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "base64": "AP8="})
	p.await(pageLog, "text héllo <b>", `json {"n":1}`, "binary 0,255")

	g.Kill()
	p.await(pageState, "waiting")
	g.Restart()
	if after := p.await(pageState, "open"); after == before {
		t.Errorf("the state is %q again", after)
	}
	g.Push(wstest.To("uids", "ann"), "after the restart")
	p.await(pageLog, "after the restart")

	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.await("codes.join()", "1001") // it may wait for its next try by now
	g.Restart()
	p.await(pageState, "open")

	p.eval("(dispatchEvent(new Event('offline')), dispatchEvent(new Event('online')))")
	p.await("states.filter(s => s === 'open').length", "4")
	g.AwaitMetric("castgate_connections", 1) // the old connection is gone

	g.OK("POST", "/v1/kick", M{"all": true, "code": 4001, "reason": "replaced"})
	p.await(pageState, "stopped", "4001", "replaced")
	p.eval("page.open()")
	p.await(pageState, "open")
	p.eval("page.close()")
	p.await(pageState, "stopped")
	g.AwaitMetric("castgate_connections", 0)
}

// pagesShare: two tabs, one connection, which outlives the tab that has opened it.
func pagesShare(t *testing.T, g *wstest.Gateway, first, second *tab, binds *atomic.Int64) {
	t.Helper()
	first.await(pageState, "open")
	second.await(pageState, "open")
	if a, b := first.eval("page.clientId"), second.eval("page.clientId"); a != b || a == "" {
		t.Errorf("the tabs have the ids %q and %q", a, b)
	}
	g.AwaitMetric("castgate_connections", 1)
	if n := binds.Load(); n != 1 {
		t.Errorf("%d binds", n)
	}
	g.Push(wstest.To("uids", "ann"), "to both")
	g.OK("POST", "/v1/push", M{"to": wstest.All(), "base64": "AP8="})
	first.await(pageLog, "text to both", "binary 0,255")
	second.await(pageLog, "text to both", "binary 0,255")
	first.close()
	g.Push(wstest.To("uids", "ann"), "to the second")
	second.await(pageLog, "text to the second")
	g.Kill()
	second.await(pageState, "waiting")
	g.Restart()
	second.await(pageState, "open") // bound by the tab that is left
	g.Push(wstest.To("uids", "ann"), "after the restart")
	second.await(pageLog, "after the restart")
	second.eval("page.close()")
	second.await(pageState, "stopped")
	g.AwaitMetric("castgate_connections", 0)
	second.eval("page.open()")
	second.await(pageState, "open")
	g.Push(wstest.To("uids", "ann"), "opened again")
	second.await(pageLog, "opened again")
	second.eval("page.close()")
	second.await(pageState, "stopped")
	second.eval("document.dispatchEvent(new Event('visibilitychange'))") // must open nothing: see pageQuickstart
}

// pageWithoutInit: where there is no init message, the first push is no less a message
// than the second, also in a SharedWorker.
func pageWithoutInit(t *testing.T, open func(url string) *tab) {
	t.Helper()
	g := wstest.Start(t, "--init-message=")
	for _, share := range []string{"false", "true"} {
		html := `<!doctype html><meta charset="utf-8"><p id="state"></p><p id="log"></p><script type="module">
import { connect } from '/castgate.js';
const show = (id, text) => document.getElementById(id).append(text + ' ');
connect('ws://` + g.Addr + `/', { share: ` + share + `, state: (state) => show('state', state), message: ({ text }) => show('log', text) });
</script>`
		s := httptest.NewServer(pageSite(t, g, html, new(atomic.Int64)))
		t.Cleanup(s.Close)
		p := open(s.URL)
		g.AwaitMetric("castgate_connections", 1)
		g.Push(wstest.All(), "the-first")
		g.Push(wstest.All(), "the-second")
		p.await(pageLog, "the-first the-second")
		p.await(pageState, "connecting open")
		p.close()
		g.AwaitMetric("castgate_connections", 0)
	}
}

// pageQuickstart: the page of the documentation, with the address of this gateway. At
// the end nobody is connected, so tabs that were closed before have opened nothing.
func pageQuickstart(t *testing.T, g *wstest.Gateway, open func(url string) *tab) {
	t.Helper()
	text := codeBlocks(t, "clients/js/README.md", "html", 1)[0]
	const documented = "ws://127.0.0.1:7272/"
	if !strings.Contains(text, documented) {
		t.Fatalf("the page does not connect to %s", documented)
	}
	handler := pageSite(t, g, strings.Replace(text, documented, "ws://"+g.Addr+"/", 1), new(atomic.Int64))
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	p := open(s.URL)
	p.await(pageState, "open")
	g.OK("POST", "/v1/push", M{"to": wstest.To("uids", "ann"), "json": M{"hello": "from the documentation"}})
	p.await(pageLog, "from the documentation")
	p.close()
	g.AwaitMetric("castgate_connections", 0)
}

// pageRecipes: the scripts of docs/browser.md, the first with the client, the second
// without.
func pageRecipes(t *testing.T, g *wstest.Gateway, open func(url string) *tab) {
	t.Helper()
	const page = `<!doctype html><meta charset="utf-8"><ol id="log"></ol><script type="module">
const show = (text) => document.getElementById('log').append(Object.assign(document.createElement('li'), { textContent: text }));
%s</script>`
	for i, script := range codeBlocks(t, "docs/browser.md", "js", 2) {
		binds := new(atomic.Int64)
		html := fmt.Sprintf(page, strings.Replace(script, "ws://127.0.0.1:7272/", "ws://"+g.Addr+"/", 1))
		s := httptest.NewServer(pageSite(t, g, html, binds))
		t.Cleanup(s.Close)
		p := open(s.URL)
		for _, text := range []string{"first", "after a restart"} {
			g.Await(func() string {
				if g.OK("POST", "/v1/push", M{"to": wstest.To("uids", "ann"), "text": text})["matched"] == 0.0 {
					return "nobody is bound"
				}
				return ""
			})
			p.await(pageLog, text)
			if text == "first" {
				g.Kill()
				g.Restart()
			}
		}
		if n := binds.Load(); n < 2 {
			t.Errorf("%d binds", n)
		}
		if i == 0 {
			p.await(pageLog, "the news")
		}
		if i == 0 {
			documentedProtocols(t, g, p)
		}
		g.OK("POST", "/v1/kick", M{"all": true})
		g.AwaitMetric("castgate_connections", 0)
		p.close()
	}
}

// documentedProtocols: a browser keeps the connections of the documents that ask for
// subprotocols, since castgate selects its own.
func documentedProtocols(t *testing.T, g *wstest.Gateway, p *tab) {
	t.Helper()
	p.eval(fmt.Sprintf("(globalThis.url = 'ws://%s/', globalThis.token = 'a.b.c', globalThis.chosen = [], 0)", g.Addr))
	for _, code := range []string{
		documented(t, "docs/authentication.md", "Tokens", 1),
		documented(t, "docs/handshakes.md", "Accepted here, failed in the browser", 1),
	} {
		_, code, _ = strings.Cut(code, "new WebSocket")
		p.eval("(s => { s.onopen = () => chosen.push(s.protocol); return 0 })(new WebSocket" + strings.TrimSuffix(strings.TrimSpace(code), ";") + ")")
	}
	p.await("chosen.join()", "castgate,castgate")
}
