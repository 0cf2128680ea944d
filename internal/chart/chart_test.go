package chart

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cdf, overTime, distribution, servers, quantiles: one chart of each kind.
func cdf() *Lines {
	l := &Lines{
		Title: "Latency by percentile", Subtitle: "From when a push was due until a client had it",
		X: Axis{Label: "percentage of messages", Unit: Percentile}, Y: Axis{Label: "latency", Unit: Nanoseconds, Log: true},
		Lines: []Line{{Name: "broadcast"}, {Name: "unicast", Color: 1}},
	}
	for i := range 140 {
		x := math.Pow(10, float64(i)/28)
		l.Lines[0].Points = append(l.Lines[0].Points, Point{x, 3e6 + 2e6*math.Log(x)})
		l.Lines[1].Points = append(l.Lines[1].Points, Point{x, 4e5 + 1e6*math.Log10(x)*math.Log10(x)})
	}
	return l
}

func overTime() *Lines {
	l := &Lines{
		Title: "Messages received", X: Axis{Label: "time since the first connection", Unit: Seconds}, Y: Axis{Label: "messages a second", Unit: PerSecond},
		Lines: []Line{{Name: ""}},
	}
	for i := range 95 {
		l.Lines[0].Points = append(l.Lines[0].Points, Point{float64(i), 20_000 + 900*math.Sin(float64(i)/3)})
	}
	return l
}

func distribution() *Lines {
	l := &Lines{
		Title: "Distribution of latencies",
		X:     Axis{Label: "latency", Unit: Nanoseconds, Log: true}, Y: Axis{Label: "share of messages", Unit: Percent},
		Lines: []Line{{Name: "broadcast", Steps: true}, {Name: "group", Color: 2, Steps: true}},
	}
	for i := range 30 {
		x := 1e5 * math.Pow(10, float64(i)/10)
		l.Lines[0].Points = append(l.Lines[0].Points, Point{x, 0.2 * math.Exp(-math.Pow(float64(i-12)/3, 2))})
		l.Lines[1].Points = append(l.Lines[1].Points, Point{x, 0.15 * math.Exp(-math.Pow(float64(i-17)/4, 2))})
	}
	return l
}

func servers() *Bars {
	b := &Bars{
		Title: "Memory of an idle connection", Subtitle: "Proportional set size of the server, 19,000 connections; median, and range of 5 rounds",
		Axis: Axis{Label: "bytes a connection", Unit: Bytes, Log: true}, Limit: 800, LimitName: "at most",
	}
	for _, s := range []struct {
		name string
		v    float64
	}{{"castgate", 192}, {"castgate, bound and in a group", 343}, {"uWebSockets", 457}, {"gws", 9000}, {"nchan", 10_000}, {"Centrifugo", 39_000}} {
		b.Categories = append(b.Categories, Category{Name: s.name, Subject: strings.HasPrefix(s.name, "castgate"),
			Bars: []Bar{{Value: s.v, Min: s.v * 0.92, Max: s.v * 1.1}}})
	}
	b.Categories = append(b.Categories, Category{Name: "gone", Bars: []Bar{{Missing: "not measured: lost messages"}}})
	return b
}

func quantiles() *Bars {
	b := &Bars{
		Title: "Latency of a broadcast to 10,000 clients", Subtitle: "2 broadcasts a second, 64 bytes",
		Axis: Axis{Label: "latency", Unit: Nanoseconds, Log: true}, Series: []string{"p50", "p99", "last receiver, p50"},
	}
	for i, name := range []string{"castgate", "floor", "gorilla", "Centrifuge"} {
		v := 2e7 * float64(i+1)
		b.Categories = append(b.Categories, Category{Name: name, Subject: i == 0,
			Bars: []Bar{{Value: v, Min: v * 0.9, Max: v * 1.3}, {Value: 3 * v, Min: 2 * v, Max: 4 * v}, {Value: 4 * v}}})
	}
	return b
}

func panels() *Panels {
	p := &Panels{
		Title: "A soak", Subtitle: "200 connections a second", X: Axis{Label: "time", Unit: Seconds}, Shade: 240, ShadeName: "warm-up, not counted",
		Panels: []Panel{
			{Y: Axis{Label: "memory", Unit: Bytes}, Lines: []Line{{Name: "PSS"}, {Name: "heap", Color: 1}}},
			{Y: Axis{Label: "open"}, Lines: []Line{{Name: "descriptors", Color: 2}, {Name: strings.Repeat("long ", 30), Color: 3}}},
		},
	}
	for i := range 120 {
		x := 10 * float64(i)
		p.Panels[0].Lines[0].Points = append(p.Panels[0].Lines[0].Points, Point{x, 4e7 + 1e6*math.Sin(x/40)})
		p.Panels[0].Lines[1].Points = append(p.Panels[0].Lines[1].Points, Point{x, 8e6 + 2e6*math.Mod(x, 70)/70})
		p.Panels[1].Lines[0].Points = append(p.Panels[1].Lines[0].Points, Point{x, 2020})
	}
	return p
}

func flame() Chart {
	return &Flame{
		Title: "Where a push goes", Subtitle: "of 1,000 samples", Kinds: []string{"castgate", "the kernel"},
		Roots: []Call{
			{"loop.turn", 0, 900, []Call{{"loop.write", 0, 700, []Call{{"tcp_sendmsg", 1, 500, nil}, {"a name that is too long for what it weighs", 1, 60, nil}}}, {"thin", 0, 0.5, nil}}},
			{"runtime.mcall", 0, 100, nil},
		},
	}
}

func charts() map[string]Chart {
	return map[string]Chart{"panels": panels(), "cdf": cdf(), "time": overTime(), "distribution": distribution(), "servers": servers(), "quantiles": quantiles(), "flame": flame()}
}

// A chart is well-formed XML, contains its texts, and is the same every time. With
// CHART_SAMPLES set to a folder, the charts are written there for inspection.
func TestCharts(t *testing.T) {
	for name, c := range charts() {
		for _, theme := range []Theme{Light, Dark, Adaptive} {
			svg, err := c.SVG(theme)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			again, err := charts()[name].SVG(theme)
			if err != nil || !bytes.Equal(svg, again) {
				t.Errorf("%s: the second drawing differs: %v", name, err)
			}
			for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if dir := os.Getenv("CHART_SAMPLES"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, name+"-"+theme.name+".svg"), svg, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, words := range map[string][]string{
		"cdf":          {"Latency by percentile", "99.9 %", "10 ms", "broadcast", "unicast"},
		"time":         {"Messages received", "10 k/s", "60 s"},
		"distribution": {"share of messages", "1 ms"},
		"servers":      {"castgate, bound and in a group", "192 B", "38.1 KiB", "not measured: lost messages", "at most"},
		"panels":       {"A soak", "heap", "descriptors", "warm-up, not counted", "15 min", "40 MiB"},
		"quantiles":    {"last receiver, p50", "20 ms", "p99"},
		"flame":        {"Where a push goes", "the kernel", "loop.turn 90 %", "tcp_sendmsg 50 %"},
	} {
		svg, _ := charts()[name].SVG(Light)
		for _, w := range words {
			if !bytes.Contains(svg, []byte(">"+w)) && !bytes.Contains(svg, []byte(w+"<")) {
				t.Errorf("%s has no text %q", name, w)
			}
		}
	}
}

// Every colour in a drawing belongs to its theme.
func TestThemes(t *testing.T) {
	for name, c := range charts() {
		for _, theme := range []Theme{Light, Dark} {
			svg, err := c.SVG(theme)
			if err != nil {
				t.Fatal(err)
			}
			known := map[string]bool{}
			for _, c := range theme.colors {
				known[c] = true
			}
			for _, part := range strings.Split(string(svg), "#")[1:] {
				if !known["#"+part[:6]] {
					t.Errorf("%s, %s: colour #%s", name, theme.name, part[:6])
				}
			}
			// A path without a colour is black.
			for _, path := range strings.Split(string(svg), "<path")[1:] {
				if path, _, _ = strings.Cut(path, ">"); !strings.Contains(path, "fill:") {
					t.Errorf("%s, %s: a path has no colour: %s", name, theme.name, path)
				}
			}
		}
	}
	css := Style()
	for _, want := range []string{"--chart-0:#ffffff", "prefers-color-scheme:dark", "--chart-0:#0d1117", "--chart-accent:#56b4e9"} {
		if !strings.Contains(css, want) {
			t.Errorf("no %s in %s", want, css)
		}
	}
}

// Contrast of every colour that carries meaning against its background, after
// WCAG 2: 3 for graphics, 4.5 for text.
func TestContrast(t *testing.T) {
	for _, theme := range []Theme{Light, Dark} {
		for r, c := range theme.colors {
			want := 3.0
			switch role(r) {
			case background, grid:
				continue
			case neutral:
				want = 1.9 // the value is written beside it
			case ink, muted:
				want = 4.5
			}
			if got := contrast(t, c, theme.colors[background]); got < want {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", theme.name, c, theme.colors[background], got, want)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) (sum float64) {
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		var v int
		for _, c := range hex[1+2*i : 3+2*i] {
			v = v<<4 + strings.IndexRune("0123456789abcdef", c)
		}
		s := float64(v) / 255
		if s <= 0.04045 {
			s /= 12.92
		} else {
			s = math.Pow((s+0.055)/1.055, 2.4)
		}
		sum += weight * s
	}
	return sum
}

// Texts come from servers: they must not become markup.
func TestHostileTexts(t *testing.T) {
	const evil = `</text><script>alert(1)</script>"'&`
	b := servers()
	b.Title, b.Subtitle, b.Axis.Label, b.LimitName = evil, evil, evil, evil
	b.Categories[0].Name, b.Categories[6].Bars[0].Missing = evil, evil
	l := cdf()
	l.Title, l.Lines[0].Name, l.X.Label = evil, evil, evil
	for _, c := range []Chart{b, l} {
		svg, err := c.SVG(Light)
		if err != nil || bytes.Contains(svg, []byte("<script")) {
			t.Errorf("%v\n%s", err, svg)
		}
	}
}

// Values that cannot be drawn are an error or left out, never a panic.
func TestOddValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	odd := []Point{{nan, 1}, {1, inf}, {-1, 5}, {2, -3}, {0, 0}, {3, 4}, {inf, 2}, {5, 1e300}, {6, 1e-300}}
	for _, x := range []Axis{{}, {Log: true}, {Unit: Percentile, Log: true}, {Unit: Seconds}} {
		for _, y := range []Axis{{}, {Log: true, Unit: Nanoseconds}, {Unit: Percent}, {Unit: Bytes, Log: true}} {
			l := &Lines{X: x, Y: y, Lines: []Line{{Name: "odd", Points: odd}, {Points: odd, Steps: true}}}
			if svg, err := l.SVG(Light); err != nil || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
				t.Errorf("%+v, %+v: %v", x, y, err)
			}
		}
	}
	for want, c := range map[string]Chart{
		"no points":       &Lines{Lines: []Line{{Points: []Point{{nan, 1}}}}},
		"0 lines":         &Lines{},
		"17 lines":        &Lines{Lines: make([]Line, 17)},
		"more than 100":   &Lines{Lines: []Line{{Points: make([]Point, MaxPoints+1)}}},
		"0 panels":        &Panels{},
		`chart "y": no p`: &Panels{Title: "y", Panels: []Panel{{Lines: []Line{{}}}}},
		"0 categories":    &Bars{},
		"61 categories":   &Bars{Categories: make([]Category, 61)},
		"has 0 bars":      &Bars{Categories: make([]Category, 1)},
		"9 series":        &Bars{Series: make([]string, 9), Categories: make([]Category, 1)},
		"no values":       &Bars{Categories: []Category{{Bars: []Bar{{Value: nan}}}}},
		`chart "x": no v`: &Bars{Title: "x", Categories: []Category{{Bars: []Bar{{Missing: "y"}}}}},
	} {
		if _, err := c.SVG(Light); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	one := &Lines{X: Axis{Log: true}, Y: Axis{Log: true}, Lines: []Line{{Points: []Point{{7, 7}}}}}
	if _, err := one.SVG(Dark); err != nil {
		t.Error(err)
	}
}

func TestUnits(t *testing.T) {
	for want, got := range map[string]string{
		"9.57 µs": Nanoseconds.Text(9570), "1 ms": Nanoseconds.Text(999_600), "999 µs": Nanoseconds.Text(999_400), "1.5 s": Nanoseconds.Text(Duration(1500 * time.Millisecond)),
		"120 s": Nanoseconds.Text(120e9), "0 ns": Nanoseconds.Text(0), "192 B": Bytes.Text(192), "1.5 KiB": Bytes.Text(1536), "24 MiB": Bytes.Text(24 << 20),
		"13.4/s": PerSecond.Text(13.42), "1.27 M/s": PerSecond.Text(1.27e6), "27 k/s": PerSecond.Text(27_000),
		"45 s": Seconds.Text(45), "2 min": Seconds.Text(120), "2.5 h": Seconds.Text(9000), "12.5 %": Percent.Text(0.125), "1.1 ×": Times.Text(1.1),
		"0 %": Percentile.Text(1), "50 %": Percentile.Text(2), "99 %": Percentile.Text(100), "99.9 %": Percentile.Text(1000), "99.999 %": Percentile.Text(1e5),
		"19 k": Number.Text(19_000), "0.0012": Number.Text(0.0012), "343": Number.Text(343), "2,500": Number.Text(2500), "1,001": Number.Text(1001),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Ticks are few, in order, inside their range, and their labels differ.
func TestTicks(t *testing.T) {
	for v := 1e-3; v < 1e12; v *= 2.7 {
		for _, u := range []Unit{Number, Nanoseconds, Bytes, PerSecond, Seconds, Percent} {
			scales := map[string]scale{"linear": linear(v, u, 5), "until": until(v, u, 8)}
			for _, times := range []float64{1, 1.5, 9, 300, 1e5, 1e12} {
				scales["log "+Number.Text(times)] = logarithmic(v, v*times, u)
			}
			for name, s := range scales {
				if s.max < v*(1-1e-9) && name != "until" || s.min > v*(1+1e-9) || len(s.ticks) < 2 || len(s.ticks) > 14 {
					t.Errorf("%s of %v: %v to %v, %d ticks", name, v, s.min, s.max, len(s.ticks))
				}
				for i, tick := range s.ticks {
					if tick.Value < s.min*(1-1e-9) || tick.Value > s.max*(1+1e-9) || i > 0 && (tick.Value <= s.ticks[i-1].Value || tick.Label == s.ticks[i-1].Label) {
						t.Errorf("%s of %v, unit %d: ticks %v", name, v, u, s.ticks)
						break
					}
				}
			}
		}
	}
}

// Bold text is measured as bold: names in bold must not overlap the bars.
func TestBoldIsWider(t *testing.T) {
	const name = "castgate wss deflate, 1024 B"
	bold, plain := style(textSize, true, ink), style(textSize, false, ink)
	if b, p := bold.Width(name), plain.Width(name); b < 1.03*p {
		t.Errorf("%v in bold, %v without", b, p)
	}
}
