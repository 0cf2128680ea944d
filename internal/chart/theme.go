package chart

import (
	"fmt"
	"image/color"
	"regexp"
	"strings"
)

// role is the purpose of a colour. Charts are drawn with roles, and a Theme turns
// them into colours.
type role uint8

const (
	background role = iota
	ink             // text
	muted           // less important text, whiskers
	grid
	neutral   // bars that are not the subject
	series0   // the first of several series, or the subject
	lastRole  = series0 + maxSeries - 1
	maxSeries = 8
)

// color encodes a role as a colour that themed can recognise. Canvases may round
// it.
func (r role) color() color.NRGBA { return color.NRGBA{R: uint8(r)<<4 | 8, G: 8, B: 8, A: 255} }

// faint is color, translucent.
func (r role) faint() color.NRGBA {
	c := r.color()
	c.A = 76
	return c
}

// series is the role of series i. Colours repeat after maxSeries.
func series(i int) role { return series0 + role(i%maxSeries) }

// Theme is a set of colours.
type Theme struct {
	name   string
	colors [lastRole + 1]string
}

// The themes. Colour-blind people can tell the series apart too (after Okabe and
// Ito), and neighbours in the order also differ in lightness.
var (
	Light = Theme{"light", [lastRole + 1]string{
		"#ffffff", "#1f2328", "#59636e", "#e3e7eb", "#a9b4bf",
		"#0072b2", "#d55e00", "#008f68", "#b3508d", "#b07d00", "#3d9bd0", "#6f5bb5", "#5c5c5c",
	}}
	Dark = Theme{"dark", [lastRole + 1]string{
		"#0d1117", "#e6edf3", "#9aa5b1", "#262d36", "#5d6875",
		"#56b4e9", "#f28e3c", "#2fc29b", "#e690c2", "#f0d24a", "#8fd0f5", "#b3a2f0", "#c4c4c4",
	}}
	// Adaptive is for charts in a page that contains Style.
	Adaptive = adaptive()
)

func adaptive() Theme {
	t := Theme{name: "adaptive"}
	for i := range t.colors {
		t.colors[i] = fmt.Sprintf("var(--chart-%d)", i)
	}
	return t
}

// Style is CSS that defines the colours of the Adaptive theme, and for the page
// --chart-background, --chart-ink, --chart-muted, --chart-grid and --chart-accent.
func Style() string {
	var b strings.Builder
	declare := func(t *Theme) {
		b.WriteString(":root{")
		for i, c := range t.colors {
			fmt.Fprintf(&b, "--chart-%d:%s;", i, c)
		}
		for _, n := range []struct {
			name string
			role role
		}{{"background", background}, {"ink", ink}, {"muted", muted}, {"grid", grid}, {"accent", series0}, {"warning", series0 + 1}} {
			fmt.Fprintf(&b, "--chart-%s:%s;", n.name, t.colors[n.role])
		}
		b.WriteString("}")
	}
	b.WriteString(":root{color-scheme:light dark}\n")
	declare(&Light)
	b.WriteString("\n@media (prefers-color-scheme:dark){")
	declare(&Dark)
	b.WriteString("}\n")
	return b.String()
}

// roleColor matches a colour as canvases write it.
var roleColor = regexp.MustCompile(`((?:fill|stroke):)#([0-9A-F])[0-9A-F]{5}`)

// themed replaces the roles in an SVG by the colours of a theme.
func (t *Theme) themed(svg string) string {
	return roleColor.ReplaceAllStringFunc(svg, func(found string) string {
		parts := roleColor.FindStringSubmatch(found)
		r := strings.Index("0123456789ABCDEF", parts[2])
		return parts[1] + t.colors[min(r, int(lastRole))]
	})
}
