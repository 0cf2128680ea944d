package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest"
)

// Result is what a run found.
type Result struct {
	Started  time.Time `json:"started"`
	Revision string    `json:"revision,omitempty"` // of the first server's source
	Machine  Machine   `json:"machine"`
	Options  Options   `json:"options"`
	// Dropped is how many rounds were disturbed and repeated; Disturbed tells
	// of rounds that had to count nevertheless.
	Dropped   int      `json:"dropped_rounds"`
	Disturbed []string `json:"disturbed,omitempty"`
	Figures   []Figure `json:"figures"`
}

// Machine is where it was measured.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
}

func newResult(o Options) *Result {
	return &Result{Started: time.Now().UTC(), Options: o, Machine: thisMachine(), Figures: []Figure{}}
}

func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// WriteTable writes the result for a human to read.
func (r *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d cores, Linux %s, %s; swarm and server share the cores.\n", r.Machine.Processor, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	if r.Dropped > 0 {
		fmt.Fprintf(w, "%d disturbed rounds were dropped.\n", r.Dropped)
	}
	for _, text := range r.Disturbed {
		fmt.Fprintln(w, text)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tfigure\tserver\tmedian\tfrom\tto\trounds")
	last := ""
	for _, f := range r.Figures {
		scenario := f.Scenario
		if scenario == last {
			scenario = ""
		}
		last = f.Scenario
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", scenario, f.Name, f.Server,
			quantity(f.Median, f.Unit), quantity(f.Min, f.Unit), quantity(f.Max, f.Unit), len(f.Rounds))
	}
	return t.Flush()
}

// quantity is a value with its unit.
func quantity(v float64, unit string) string {
	switch unit {
	case "ns":
		return loadtest.Round(time.Duration(v)).String()
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

// Save writes the result as JSON into a new file in dir, named after the time
// it was started, and answers its path.
func (r *Result) Save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, r.Started.Format("20060102-150405")+".json")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(b, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return path, err
}
