package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// openTab opens an address in another tab of a page's browser.
func (p *page) openTab(address string) *page {
	p.t.Helper()
	ctx, closeTab := chromedp.NewContext(p.ctx)
	p.t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 4*wstest.Patience)
	p.t.Cleanup(cancel)
	tab := &page{t: p.t, ctx: ctx}
	tab.do(chromedp.Navigate(address))
	return tab
}

// The example's script starts three nodes and three backends. Pages that are connected
// to different nodes send each other messages, each through a backend that knows only
// one node, which is another than the page's.
func TestClusterExample(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	var ports [4][]string // of pages, listeners, control APIs and between nodes
	for i := range ports {
		for range 3 {
			ports[i] = append(ports[i], fmt.Sprint(wstest.FreePort(t)))
		}
	}
	cmd := exec.Command(filepath.Join(wstest.Root(t), "examples/cluster/run.sh"))
	cmd.Env = os.Environ()
	for i, name := range []string{"PAGES", "LISTEN", "CONTROL", "PEERS"} {
		cmd.Env = append(cmd.Env, "CLUSTER_"+name+"="+strings.Join(ports[i], " "))
	}
	wstest.Compile(t, "./cmd/castgate", "./examples/go") // what the script builds
	p := wstest.Spawn(t, cmd)
	for i := range 3 { // a backend starts before the nodes know each other
		wstest.Await(t, func() string {
			for _, url := range []string{"http://127.0.0.1:" + ports[0][i] + "/", "http://127.0.0.1:" + ports[2][i] + "/readyz"} {
				resp, err := http.Get(url)
				if err != nil {
					return fmt.Sprintf("%v; the script printed:\n%s", err, p.Log())
				}
				if resp.Body.Close(); resp.StatusCode != 200 {
					return fmt.Sprint(url, " is ", resp.StatusCode)
				}
			}
			return ""
		})
	}
	var tabs []*page
	for i := range 3 {
		address := "http://127.0.0.1:" + ports[0][i] + "/"
		if i == 0 {
			tabs = append(tabs, openPage(t, address))
		} else {
			tabs = append(tabs, tabs[0].openTab(address))
		}
		tabs[i].connected()
		tabs[i].bind(fmt.Sprint("user", i), "lobby")
		// A tab can be operated as long as it is in front.
		tabs[i].send("group", "lobby", fmt.Sprintf("page %d to the lobby", i))
		if i > 0 {
			tabs[i].send("uid", fmt.Sprint("user", i-1), fmt.Sprintf("page %d to the one before", i))
		}
	}
	tabs[0].await("log", "page 0 to the lobby", "page 1 to the lobby", "page 1 to the one before", "page 2 to the lobby")
	tabs[1].await("log", "page 1 to the lobby", "page 2 to the lobby", "page 2 to the one before")
	if log := tabs[2].await("log", "page 2 to the lobby"); strings.Contains(log, "page 1") || strings.Contains(log, "the one before") {
		t.Errorf("page 2 got what was for others: %q", log)
	}
	p.Signal(syscall.SIGTERM)
	p.Exited(t, wstest.Patience)
	for _, list := range ports {
		for _, port := range list {
			if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
				conn.Close()
				t.Errorf("port %s is still open after the end of the example", port)
			}
		}
	}
}
