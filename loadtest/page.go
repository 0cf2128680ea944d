package loadtest

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"castgate/internal/chart"
	"castgate/loadtest/latency"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is the data of the template. Its texts may come from the server: only
// what this program has made is template.HTML.
type page struct {
	*Record
	Style   template.CSS
	Title   string
	Faults  []string
	Good    string // what to say if there are no faults
	About   []pair
	Summary []pair
	Charts  []template.HTML
	// Tails are the percentiles that people ask for.
	Tails []tail
}

// pair is a row of a table with two columns.
type pair struct{ Name, Text string }

// tail is one percentile of each of the distributions, as text.
type tail struct {
	Name      string
	Latencies []string
}

// WritePage writes the record as a self-contained HTML page: no network, no
// script. An error is one of w.
func (r *Record) WritePage(w io.Writer) error {
	p := page{
		Record: r, Style: template.CSS(chart.Style()), Title: fmt.Sprintf("%s, %d connections", r.Scenario, r.Connections),
		Faults: splitFaults(r.Fault), About: r.about(),
	}
	if rep := r.Report; rep != nil && rep.Expected > 0 && r.Fault == "" {
		p.Good = fmt.Sprintf("All %d messages arrived once, in order and unchanged.", rep.Expected)
	}
	r.writeRows(func(name, format string, args ...any) {
		p.Summary = append(p.Summary, pair{name, fmt.Sprintf(format, args...)})
	})
	for _, c := range r.charts() {
		svg, err := c.SVG(chart.Adaptive)
		if err != nil {
			// A chart that cannot be drawn must not prevent the rest of the
			// page.
			p.Warnings = append(p.Warnings, err.Error())
			continue
		}
		// In HTML the namespace is implied, and this keeps every URL out of the
		// page.
		p.Charts = append(p.Charts, template.HTML(bytes.Replace(svg, []byte(` xmlns="http://www.w3.org/2000/svg"`), nil, 1)))
	}
	p.Tails = r.tails()
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, &p); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

// about lists what ran where.
func (r *Record) about() []pair {
	m := r.Machine
	return []pair{
		{"command", strings.Join(r.Command, " ")},
		{"began", r.Started.Format("2006-01-02 15:04:05 MST")},
		{"machine", strings.TrimPrefix(fmt.Sprintf("%s, %d cores, %s, Linux %s", m.Processor, m.Cores, chart.Bytes.Text(float64(m.Memory)), m.Kernel), ", ")},
		{"version", fmt.Sprintf("loadtest %s, %s", r.Version, m.Go)},
	}
}

// splitFaults splits the faults that Run has joined into one line.
func splitFaults(fault string) []string {
	if fault == "" {
		return nil
	}
	return strings.Split(fault, "; ")
}

// tails are the percentiles that at least one of the distributions reaches.
func (r *Record) tails() (all []tail) {
	for _, percent := range latency.TailPercents {
		row, any := tail{Name: fmt.Sprintf("%.7g %%", percent)}, false
		if percent == 0 {
			row.Name = "fastest"
		}
		for i := range r.Distributions {
			latency, ok := r.Distributions[i].At(percent)
			text := ""
			if ok {
				text, any = latency.Round(latency).String(), true
			}
			row.Latencies = append(row.Latencies, text)
		}
		if any {
			all = append(all, row)
		}
	}
	return all
}

// seconds is a time in a chart.
func seconds(d time.Duration) float64 { return d.Seconds() }
