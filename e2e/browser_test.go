package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// program finds a program that a test needs. If it is missing the test is skipped,
// but fails if CI is set: there the whole suite has to run.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", names[0])
	}
	t.Skipf("%s is not installed (Debian: apt-get install %s)", names[0], names[0])
	return ""
}

// page is one tab of a headless Chromium.
type page struct {
	t   *testing.T
	ctx context.Context
}

// chromium is the browser of all tests of this process: to start one for each takes longer
// than most of what they do in it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

// startChromium starts a browser with more flags, whose files are in dir: its profile, and
// temporary ones, of which it leaves some. Any goroutine.
func startChromium(path, dir string, more ...chromedp.ExecAllocatorOption) (ctx context.Context, end func(), err error) {
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // the tests may run as root in a container
		chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env("TMPDIR="+dir),
		chromedp.WindowSize(1000, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// What would start a process for a page that nobody may ever open, and one for the
		// list below the address of each window.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,SpareRendererForSitePerProcess,"+
			"PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxFullPopup,WebUIOmniboxAimPopup"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	ctx, closeAll := chromedp.NewContext(allocator)
	end = func() {
		chromedp.Cancel(ctx) // waits until the browser has ended, so its files can be removed
		closeAll()
		stop()
		os.RemoveAll(dir)
	}
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return ctx, end, nil
}

// endChromium ends the browser of all tests.
func endChromium() {
	if chromium.end != nil {
		chromium.end()
	}
}

// openPage opens an address in a window of the tests' browser. It shares nothing with
// other tests: no cookie, no storage, no worker. With flags it has a browser of its own.
func openPage(t *testing.T, address string, flags ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	path := program(t, "chromium", "chromium-browser", "google-chrome")
	start := func() (ctx context.Context, end func(), err error) {
		// The name of a test may be too long for the path of a socket.
		dir, err := os.MkdirTemp("", "chromium")
		if err != nil {
			return nil, nil, err
		}
		return startChromium(path, dir, flags...)
	}
	var ctx context.Context
	if len(flags) > 0 {
		own, end, err := start()
		if err != nil {
			t.Fatalf("starting a browser: %v", err)
		}
		t.Cleanup(end)
		ctx = own
	} else {
		chromium.once.Do(func() { chromium.ctx, chromium.end, chromium.err = start() })
		if chromium.err != nil {
			t.Fatalf("starting the browser: %v", chromium.err)
		}
		var closeWindow func()
		ctx, closeWindow = chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
		t.Cleanup(closeWindow)
	}
	// Each wait of a test has its limit; this one is for all of them, and for a browser
	// that hangs.
	ctx, cancel := context.WithTimeout(ctx, 4*wstest.Patience)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx}
	p.do(chromedp.Navigate(address))
	return p
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// text returns the text of the element with this id.
func (p *page) text(id string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.TextContent(chromedp.ID(id), chromedp.NodeReady))
	// The page may have been replaced by the next one since the element was found.
	for err != nil && strings.Contains(err.Error(), "No node with given id") && p.ctx.Err() == nil {
		text, err = chromedp.Run(p.ctx, chromedp.TextContent(chromedp.ID(id), chromedp.NodeReady))
	}
	if err != nil {
		p.t.Fatalf("text of #%s: %v", id, err)
	}
	return text
}

// await waits until the element's text contains all the words, and returns it.
func (p *page) await(id string, words ...string) string {
	p.t.Helper()
	limit := time.Now().Add(wstest.Patience)
	for {
		text := p.text(id)
		missing := ""
		for _, word := range words {
			if !strings.Contains(text, word) {
				missing = word
			}
		}
		if missing == "" {
			return text
		}
		if time.Now().After(limit) {
			p.t.Fatalf("#%s never showed %q; it shows %q, the error line %q", id, missing, text, p.text("error"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitNot waits until the element's text does not contain a word.
func (p *page) awaitNot(id, word string) {
	p.t.Helper()
	wstest.Await(p.t, func() string {
		if text := p.text(id); strings.Contains(text, word) {
			return fmt.Sprintf("#%s shows %q in %q", id, word, text)
		}
		return ""
	})
}

// connected waits for the connection and returns the client_id the page shows.
func (p *page) connected() string {
	p.t.Helper()
	p.await("state", "connected")
	return p.text("client-id")
}

// fill sets fields as a user does, one after the other: id, value, id, value.
func (p *page) fill(fields ...string) {
	p.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		p.run(fmt.Sprintf("document.getElementById(%q).value = ''", fields[i]))
		p.do(chromedp.SendKeys(chromedp.ID(fields[i]), fields[i+1]))
	}
}

func (p *page) click(id string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.ID(id)))
}

// bind fills in the login form and waits until the page is bound.
func (p *page) bind(name, group string) {
	p.t.Helper()
	p.fill("name", name, "group", group)
	p.click("bind")
	p.await("bound", fmt.Sprintf("%s, in group %s", name, group))
}

// send pushes a message through the page's form. An empty name keeps what the page
// has filled in.
func (p *page) send(target, name, text string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.ID("target"), target))
	if name != "" {
		p.fill("to", name)
	}
	p.fill("text", text)
	p.click("send")
}

// run evaluates JavaScript in the page.
func (p *page) run(script string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](script)); err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
}

// screenshot saves a picture of the page in the folder E2E_SCREENSHOTS, if that is
// set.
func (p *page) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("E2E_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/"+name+".png", png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
