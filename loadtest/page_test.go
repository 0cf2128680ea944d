package loadtest

import (
	"bytes"
	"errors"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"castgate/loadtest/latency"
	"castgate/loadtest/payload"
	"castgate/loadtest/pushing"
	"castgate/loadtest/swarm"
	"castgate/loadtest/timeline"
)

// pageRecord is a record with everything that pages show.
func pageRecord() *Record {
	const aSecond = int64(time.Second)
	times := timeline.New(0)
	rep := &swarm.Report{Connections: 1000, Open: 1000, Expected: 3000, Received: 3000, Deaths: map[string]int{}}
	for k := range rep.Histograms {
		rep.Histograms[k] = latency.NewHistogram()
	}
	for i := range int64(1000) {
		times.Opened(i * 1_000_000)
		for k := range payload.Kinds {
			ns := (1 + i*i/100) * int64(k+1) * 10_000
			latency.Record(rep.Histograms[k], ns)
			times.Received(aSecond+i*20_000_000, k, ns)
		}
	}
	rep.Broadcast, rep.Unicast, rep.Group = latency.Of(rep.Histograms[payload.Broadcast]), latency.Of(rep.Histograms[payload.Unicast]), latency.Of(rep.Histograms[payload.Group])
	rep.Timeline = times.Summary(21 * aSecond)
	r := &Result{
		Scenario: "broadcast", Started: time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC), Connections: 1000,
		Opening: time.Second, Held: 20 * time.Second, Report: rep, Pushes: &pushing.Pushes{Taken: 3000, Took: 20 * time.Second},
		Server: &ServerCost{PID: 1, PSS: 1 << 24, PSSPerConnection: 343}, SwarmLoad: 0.9,
	}
	return NewRecord(r, nil, []string{"loadtest", "broadcast", "--control", "http://127.0.0.1:7273"}, "v1.2.3")
}

func pageOf(t *testing.T, r *Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WritePage(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// element matches the start of an element in a page. Texts and attributes have
// their "<" escaped, so whatever looks like an element is one.
var element = regexp.MustCompile(`<([a-zA-Z]+)([^<>]*)>`)

// The page has all charts and all rows of the table, loads nothing and runs
// nothing.
func TestPage(t *testing.T) {
	r := pageRecord()
	text := pageOf(t, r)
	charts, paths := 0, 0
	reference := regexp.MustCompile(`(?i)\s(src|href|on\w+)\s*=|://|url\(`)
	for _, e := range element.FindAllStringSubmatch(text, -1) {
		switch strings.ToLower(e[1]) {
		case "svg":
			charts++
		case "path":
			paths++
		case "script", "link", "img", "iframe", "object", "embed", "base", "form":
			t.Errorf("there is a %s", e[0])
		}
		if reference.MatchString(e[2]) {
			t.Errorf("%s refers to something", e[0])
		}
	}
	if charts != 5 || paths < 50 {
		t.Errorf("%d charts with %d paths", charts, paths)
	}
	if css := regexp.MustCompile(`(?s)<style>.*?</style>`).FindString(text); css == "" || strings.Contains(css, "url(") || strings.Contains(css, "@import") {
		t.Errorf("the style is %q", css)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	read := html.UnescapeString(text)
	for line := range strings.Lines(table.String()) {
		for _, cell := range regexp.MustCompile(`  +`).Split(strings.TrimSpace(line), 2) {
			// Spaces within a cell of the table are unchanged.
			if !strings.Contains(read, cell) {
				t.Errorf("the page lacks %q", cell)
			}
		}
	}
	for _, want := range []string{
		"loadtest broadcast --control http://127.0.0.1:7273", "2026-11-24 01:02:03 UTC", "v1.2.3", r.Machine.Kernel,
		"All 3000 messages arrived once", "prefers-color-scheme:dark", "99.9 %", "group p99",
	} {
		if !strings.Contains(read, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// What the server has sent is text, wherever it appears.
func TestPageEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	r := pageRecord()
	r.Fault = "closed by the server: " + evil + "; for example a changed message: " + evil
	r.Warnings = []string{evil}
	r.Command = []string{evil}
	r.Version, r.Scenario, r.Machine.Processor = evil, evil, evil
	r.Distributions[0].Kind = evil
	text := pageOf(t, r)
	for _, e := range element.FindAllString(text, -1) {
		if strings.HasPrefix(e, "<script") || strings.HasPrefix(e, "<img") {
			t.Errorf("there is a %s", e)
		}
	}
	if strings.Contains(text, `id="good"`) {
		t.Error("the page calls it good")
	}
	if !strings.Contains(text, `id="faults"`) || strings.Index(text, `id="faults"`) > strings.Index(text, `id="summary"`) || strings.Index(text, `id="warnings"`) > strings.Index(text, `id="summary"`) {
		t.Errorf("faults and warnings do not come first")
	}
}

// A record read from JSON gives the same page.
func TestPageFromJSON(t *testing.T) {
	r := pageRecord()
	r.Fault = "3 of 4 messages did not arrive"
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	again, err := ReadRecord(&b)
	if err != nil {
		t.Fatal(err)
	}
	if pageOf(t, r) != pageOf(t, again) {
		t.Error("the pages differ")
	}
	for want, text := range map[string]string{"names no scenario": `{"version":"x"}`, "not a record": `[]`, "unexpected end": ``} {
		if _, err := ReadRecord(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A run that ended before anything arrived also has a page.
func TestPageOfNothing(t *testing.T) {
	r := NewRecord(&Result{Scenario: "idle", Started: time.Now()}, errors.New("nothing listens there"), nil, "")
	if text := pageOf(t, r); !strings.Contains(text, "nothing listens there") || strings.Contains(text, "<svg") {
		t.Error(text)
	}
	empty := timeline.New(0)
	r.Report = &swarm.Report{Timeline: empty.Summary(0)}
	if text := pageOf(t, r); strings.Count(text, "<svg") != 1 {
		t.Errorf("%d charts", strings.Count(text, "<svg"))
	}
	one := pageRecord()
	one.Report.Timeline.Moments = one.Report.Timeline.Moments[:1]
	one.Report.Timeline.Length = time.Millisecond
	pageOf(t, one)
}
