package e2e

import (
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"castgate/internal/chart"
	"castgate/internal/wstest"
)

// reconnects is where the picture of clients/js/README.md goes. To draw it, the test
// below also restarts a gateway under pages that wait one second.
var reconnects = flag.String("reconnects", "", "write a chart of reconnects to this file")

const (
	manyPages     = 1000
	restartWindow = 20 // seconds, the default of max
)

// TestPagesAfterRestart: 1,000 pages that a gateway has told to come back do so over
// the whole window, and all of them.
func TestPagesAfterRestart(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	bind, _ := pageBackend(t, g)
	p := openPages(t, "ws://"+g.Addr+"/", manyPages, M{"bind": bind, "timeout": 120_000})
	restartUnder(t, g, p)
	// When they come is up to the machine. When they want to come is not. A page that came
	// before the new gateway listened waits again: only its first wait counts.
	var perSecond [restartWindow]int
	for first := map[int]bool{}; len(first) < manyPages; {
		l := p.state("waiting")
		if first[l.Page] {
			continue
		}
		first[l.Page] = true
		if l.Code != 1001 || l.Delay < 500 || l.Delay >= 1000*restartWindow {
			t.Fatalf("%+v", l)
		}
		perSecond[int(l.Delay/1000)]++
	}
	for second, n := range perSecond {
		if n > 3*manyPages/restartWindow {
			t.Errorf("%d of %d pages come in second %d, more than three times the mean", n, manyPages, second)
		}
	}
	g.Await(func() string {
		// While all pages are bound the port may close this connection for another.
		status, answer, err := g.TryControl("POST", "/v1/counts", M{"uids": []string{"ann"}})
		if err != nil || status != 200 {
			return fmt.Sprintf("%d %v %v", status, answer, err)
		}
		if n := answer["uids"].(M)["ann"]; n != float64(manyPages) {
			return fmt.Sprintf("%v pages are back", n)
		}
		return ""
	})
	g.Push(wstest.To("uids", "ann"), "to all of you")
	for range manyPages {
		p.text("to all of you")
	}
	t.Logf("pages by second: %v", perSecond)
	if *reconnects != "" {
		drawReconnects(t, cameBack(p))
	}
}

// restartUnder stops a gateway once all pages are there, and starts it again.
func restartUnder(t *testing.T, g *wstest.Gateway, p *pageProcess) {
	t.Helper()
	for range manyPages {
		p.state("open")
	}
	if code := g.Stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	g.Restart()
}

// cameBack are the pages that came back in each second after the first one was told
// that its connection was gone.
func cameBack(p *pageProcess) (perSecond [restartWindow + 2]int) {
	start, back := math.Inf(1), map[int]bool{}
	for _, l := range p.all() {
		switch {
		case l.State == "waiting":
			start = min(start, l.At)
		case l.State == "open" && !math.IsInf(start, 1) && !back[l.Page]:
			back[l.Page] = true
			if second := int((l.At - start) / 1000); second < len(perSecond) {
				perSecond[second]++
			}
		}
	}
	return perSecond
}

// drawReconnects restarts a gateway under pages with a loop of their own and draws
// both.
func drawReconnects(t *testing.T, ours [restartWindow + 2]int) {
	t.Helper()
	g := wstest.Start(t)
	p := openPages(t, "ws://"+g.Addr+"/", manyPages, M{"naive": true})
	restartUnder(t, g, p)
	for range manyPages {
		p.state("open")
	}
	naive := cameBack(p)
	t.Logf("ours  %v\nnaive %v", ours, naive)
	line := func(name string, color int, counts [restartWindow + 2]int) chart.Line {
		l := chart.Line{Name: name, Color: color, Steps: true}
		for second, n := range counts {
			l.Points = append(l.Points, chart.Point{X: float64(second), Y: float64(n)})
		}
		return l
	}
	picture := chart.Lines{
		Title: "1,000 pages after a restart", Subtitle: "pages that come back in each second after the gateway has closed their connections with 1001",
		X: chart.Axis{Label: "seconds after the close"}, Y: chart.Axis{Label: "pages a second"},
		Lines: []chart.Line{line("a loop that waits one second", 1, naive), line("clients/js", 0, ours)},
	}
	svg, err := picture.SVG(chart.Light)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*reconnects, svg, 0o644); err != nil {
		t.Fatal(err)
	}
}
