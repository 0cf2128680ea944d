package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// loadtestProgram builds cmd/loadtest.
func loadtestProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "loadtest")
	wstest.GoBuild(t, path, "./cmd/loadtest")
	return path
}

// notes collects the events of a page.
type notes struct {
	mu       sync.Mutex
	requests []string
	errors   []string
}

// add records an event.
func (n *notes) add(event any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		n.requests = append(n.requests, e.Request.URL)
	case *runtime.EventExceptionThrown, *runtime.EventConsoleAPICalled, *log.EventEntryAdded:
		n.errors = append(n.errors, fmt.Sprintf("%T: %+v", e, e))
	}
}

// send sends a command to the page's browser.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// evaluate returns the value of a script.
func evaluate[T any](p *page, script string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// interrupted runs an endless broadcast and interrupts it once messages have
// arrived. It returns its report.
func interrupted(t *testing.T, g *wstest.Gateway) string {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.html")
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(loadtestProgram(t), "broadcast", "-n", "30", "--settle", "0", "--duration", "1h", "--rate", "50",
		"--url", "ws://"+g.Addr+"/", "--control", g.ControlAddr, "--html", report)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	g.Await(func() string {
		if sent := g.Metrics()["castgate_deliveries_matched_total"]; sent < 100 {
			return fmt.Sprintf("%v messages sent", sent)
		}
		return ""
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || !strings.Contains(stdout.String(), "broadcast, 30 connections") {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	return report
}

// The report of an interrupted run opens from the disk, without network requests
// and console messages, with charts that show something, in light and in dark.
func TestReportPage(t *testing.T) {
	program(t, "chromium", "chromium-browser", "google-chrome")
	report := interrupted(t, wstest.Start(t))
	p := openPage(t, "about:blank")
	var seen notes
	if err := chromedp.Listen(p.ctx, seen.add); err != nil {
		t.Fatal(err)
	}
	p.do(send(network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true}), chromedp.Navigate("file://"+report))
	if good := p.text("good"); !strings.Contains(good, "messages arrived once, in order and unchanged") {
		t.Errorf("it says %q", good)
	}
	if summary := p.text("summary"); !strings.Contains(summary, "broadcast, 30 connections") || !strings.Contains(summary, "interrupted") {
		t.Errorf("the summary is %q", summary)
	}
	// Each chart has a size, and lines of more than one point.
	small := evaluate[[]string](p, `[...document.querySelectorAll("figure")].filter(f => {
		const r = f.querySelector("svg").getBoundingClientRect();
		const long = [...f.querySelectorAll("path")].some(p => p.getTotalLength() > 50 && p.getBBox().height >= 0);
		return r.width < 400 || r.height < 200 || !long || f.querySelectorAll("text").length < 5;
	}).map(f => f.textContent)`)
	if n := evaluate[int](p, `document.querySelectorAll("figure svg").length`); n != 5 || len(small) > 0 {
		t.Errorf("%d charts, of them empty: %q", n, small)
	}
	// Nothing is wider than the window.
	if over := evaluate[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		t.Errorf("the page is %d pixels too wide", over)
	}
	paint := `getComputedStyle(document.querySelector("figure path")).fill + " " + getComputedStyle(document.body).backgroundColor`
	for scheme, want := range map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"} {
		p.do(send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		if got := evaluate[string](p, paint); got != want+" "+want {
			t.Errorf("%s: chart and page are %s, want %s", scheme, got, want)
		}
		p.screenshot("report-" + scheme)
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(t.TempDir(), "report.png"), png, 0o644)
	}
	if err != nil || len(png) < 10_000 {
		t.Errorf("screenshot of %d bytes, %v", len(png), err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if len(seen.requests) != 1 || seen.requests[0] != "file://"+report {
		t.Errorf("it asked for %q", seen.requests)
	}
	if len(seen.errors) > 0 {
		t.Errorf("the console has %q", seen.errors)
	}
}
