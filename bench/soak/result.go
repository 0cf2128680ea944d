package soak

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"castgate/bench/gateway"
	"castgate/internal/chart"
	"castgate/internal/machine"
	"castgate/loadtest"
)

// Result is what a run found.
type Result struct {
	Started  time.Time       `json:"started"`
	Revision string          `json:"revision,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Command  []string        `json:"command"`
	Options  Options         `json:"options"`
	// Interrupted says whether it was ended from outside.
	Interrupted bool `json:"interrupted,omitempty"`
	// Faults are what was wrong.
	Faults []string `json:"faults"`
	// Before and After are weights at rest, with nobody connected. After is
	// zero if the run was interrupted.
	Before gateway.Weight `json:"before"`
	After  gateway.Weight `json:"after"`
	Trends []Trend        `json:"trends"`
	// Traffic is what the swarm did and saw; nil if it never began.
	Traffic *loadtest.Result `json:"traffic"`
	// Samples come last in a file, one per line.
	Samples []Sample `json:"samples,omitempty"`
}

func (r *Result) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// judge computes the trends and finds faults in them.
func (r *Result) judge() {
	r.Trends = trends(r.Samples, r.Options.Warmup.Seconds())
	if r.Interrupted {
		return // too early to say more
	}
	for _, t := range r.Trends {
		switch {
		case t.Verdict == Rises:
			r.fault("%s", t)
		case t.Verdict == Unclear && t.Blocks < minBlocks:
			r.fault("%s: too few samples for a trend", t.Name)
		case t.Verdict == Unclear:
			r.fault("%s: unclear, %s, but too uneven to distinguish from noise: look at the chart, or run longer", t.Name, t.growth())
		}
	}
}

// String describes the trend.
func (t Trend) String() string { return fmt.Sprintf("%s: %s, by %s", t.Name, t.Verdict, t.growth()) }

// growth is its growth per hour.
func (t *Trend) growth() string {
	return fmt.Sprintf("%s per hour (%s to %s; up to %s is tolerated)", t.text(t.Slope), t.text(t.Low), t.text(t.High), t.text(t.Tolerance))
}

// text is a value of the series.
func (t *Trend) text(v float64) string {
	switch {
	case math.Abs(v) >= math.MaxFloat64/2:
		return "?"
	case t.Unit == "B":
		return chart.Bytes.Text(math.Round(v))
	}
	return fmt.Sprintf("%.1f", math.Round(10*v)/10+0) // without a minus before a zero
}

// WriteTable writes the result for people to read.
func (r *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%v of %d connections, %.0f replaced per second; %s, %d cores, Linux %s, %s\n", r.Options.Length, r.Options.Connections, r.Options.Replace,
		r.Machine.Processor, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nafter %v\tmean\tleast\tmost\tgrowth per hour\t99 %% confidence\ttolerated\tverdict\n", r.Options.Warmup)
	for _, x := range r.Trends {
		slope, interval := x.text(x.Slope), x.text(x.Low)+" to "+x.text(x.High)
		if x.Blocks < minBlocks {
			slope, interval = "not known", ""
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.text(x.Mean), x.text(x.Min), x.text(x.Max), slope, interval, x.text(x.Tolerance), x.Verdict)
	}
	fmt.Fprintln(t, "\nat rest\tPSS\theap\tdescriptors\tgoroutines\tthreads\tcontrol connections among them")
	for _, x := range []struct {
		name string
		w    gateway.Weight
	}{{"before", r.Before}, {"after", r.After}} {
		if x.w.PSS > 0 {
			fmt.Fprintf(t, "%s\t%.1f MiB\t%.1f MiB\t%d\t%d\t%d\t%d\n", x.name, mib(x.w.PSS), mib(x.w.Heap), x.w.Files, x.w.Goroutines, x.w.Threads, x.w.Control)
		}
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Traffic != nil {
		if err := r.Traffic.WriteTable(w); err != nil {
			return err
		}
	}
	for _, text := range r.Faults {
		fmt.Fprintln(w, "FAULT:", text)
	}
	if r.Interrupted {
		fmt.Fprintln(w, "interrupted: measured until then")
	}
	return nil
}

// Save writes the result as JSON to a file in dir, named after its start, and
// returns its path.
func (r *Result) Save(dir string) (string, error) {
	short := *r
	short.Samples = nil
	b, err := json.MarshalIndent(&short, "", "  ")
	if err != nil {
		return "", err
	}
	b = append(bytes.TrimSuffix(b, []byte("\n}")), ",\n  \"samples\": ["...)
	for i := range r.Samples {
		line, err := json.Marshal(&r.Samples[i])
		if err != nil {
			return "", err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, "\n    "...), line...)
	}
	b = append(b, "\n  ]\n}\n"...)
	path := filepath.Join(dir, fmt.Sprintf("soak-%s.json", r.Started.Format("20060102-150405")))
	return path, os.WriteFile(path, b, 0o644)
}

// maxFile limits the file of a result, in bytes.
const maxFile = 64 << 20

// Read reads what Save has written. Trends are recomputed by this version.
func Read(path string) (*Result, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Samples) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errors.New("it contains no samples of a soak"))
	}
	r.Trends = trends(r.Samples, r.Options.Warmup.Seconds())
	return &r, nil
}
