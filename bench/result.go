package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"castgate/internal/machine"
	"castgate/loadtest/latency"
)

// Result is what a run found.
type Result struct {
	Started  time.Time       `json:"started"`
	Revision string          `json:"revision,omitempty"` // of the first server's source
	Machine  machine.Machine `json:"machine"`
	// Floor is the language of the floor, if it was measured: see obtainFloor.
	Floor   string  `json:"floor,omitempty"`
	Options Options `json:"options"`
	// Dropped is how many measurements of one server in one round were
	// disturbed and repeated; Disturbed lists those that had to count
	// nevertheless.
	Dropped   int      `json:"dropped_rounds"`
	Disturbed []string `json:"disturbed,omitempty"`
	// Faults are what servers did wrong, Skipped what could not be measured.
	Faults  []Fault  `json:"faults,omitempty"`
	Skipped []string `json:"skipped,omitempty"`
	Figures []Figure `json:"figures"`
	// Profiles say where castgate's time went, if Options.Profile was set.
	Profiles []Profile `json:"profiles,omitempty"`
}

func newResult(o Options) *Result {
	return &Result{Started: time.Now().UTC(), Options: o, Machine: machine.This(), Figures: []Figure{}}
}

// WriteTable writes the result for people to read.
func (r *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d cores, Linux %s, %s; swarm and server share the cores.\n", r.Machine.Processor, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	if r.Floor != "" {
		fmt.Fprintf(w, "The floor is in %s.\n", r.Floor)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(w, "%d disturbed measurements were dropped and repeated.\n", r.Dropped)
	}
	for _, text := range r.Disturbed {
		fmt.Fprintln(w, "disturbed:", text)
	}
	for _, text := range r.Skipped {
		fmt.Fprintln(w, "skipped:", text)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "FAULT: %s: %s: %s\n", f.Scenario, f.Server, f.Text)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tfigure\tserver\tmedian\tfrom\tto\trounds")
	var last Figure
	for _, f := range inOrder(r.Figures) {
		scenario, name := f.Scenario, f.Name
		if scenario == last.Scenario {
			scenario = ""
			if name == last.Name {
				name = ""
			}
		}
		last = f
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", scenario, name, f.Server,
			quantity(f.Median, f.Unit), quantity(f.Min, f.Unit), quantity(f.Max, f.Unit), len(f.Rounds))
	}
	return t.Flush()
}

// inOrder puts the results of several servers side by side, with scenarios and
// figures in the order in which they were first measured.
func inOrder(figures []Figure) []Figure {
	scenarios, names := map[string]int{}, map[[2]string]int{}
	for i, f := range figures {
		if _, known := scenarios[f.Scenario]; !known {
			scenarios[f.Scenario] = i
		}
		if _, known := names[[2]string{f.Scenario, f.Name}]; !known {
			names[[2]string{f.Scenario, f.Name}] = i
		}
	}
	sorted := slices.Clone(figures)
	slices.SortStableFunc(sorted, func(a, b Figure) int {
		return cmp.Or(
			cmp.Compare(scenarios[a.Scenario], scenarios[b.Scenario]),
			cmp.Compare(names[[2]string{a.Scenario, a.Name}], names[[2]string{b.Scenario, b.Name}]),
		)
	})
	return sorted
}

// quantity is a value with its unit.
func quantity(v float64, unit string) string {
	switch unit {
	case "ns":
		return latency.Round(time.Duration(v)).String()
	case "of the machine":
		return fmt.Sprintf("%.1f %%", 100*v)
	case "×", "cores":
		return fmt.Sprintf("%.2f %s", v, unit)
	}
	if v >= 1000 {
		return strings.TrimSpace(fmt.Sprintf("%.0f %s", v, unit))
	}
	return strings.TrimSpace(fmt.Sprintf("%.4g %s", v, unit))
}

// Save writes the result as JSON into a new file in dir, named after its start,
// and returns its path.
func (r *Result) Save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	base := filepath.Join(dir, r.Started.Format("20060102-150405"))
	figures := *r
	figures.Profiles = nil
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return "", err
	}
	if err := writeNew(base+".json", b); err != nil || len(r.Profiles) == 0 {
		return base + ".json", err
	}
	// Without indentation, which would be most of a deep tree.
	b, err = json.Marshal(Result{Started: r.Started, Revision: r.Revision, Machine: r.Machine, Options: r.Options, Figures: []Figure{}, Profiles: r.Profiles})
	if err != nil {
		return "", err
	}
	return base + ".json", writeNew(base+"-profiles.json", b)
}

// writeNew writes a file that is not there yet, with a newline at its end.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
