package million

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"castgate/bench/gateway"
	"castgate/internal/machine"
	"castgate/loadtest/latency"
)

// Result is what a run found.
type Result struct {
	Started  time.Time       `json:"started"`
	Revision string          `json:"revision,omitempty"`
	Machine  machine.Machine `json:"machine"`
	Options  Options         `json:"options"`
	Swarms   int             `json:"swarms"` // processes of the swarm

	Opening       time.Duration `json:"opening_ns"`
	CPUPerConnect time.Duration `json:"cpu_per_connect_ns"` // of castgate, handshake and init message included
	Binding       time.Duration `json:"binding_ns"`
	Cutting       time.Duration `json:"cutting_ns"` // until castgate held no socket

	Weights    []gateway.Weight `json:"weights"`
	Deliveries []Delivery       `json:"deliveries"`
	Pings      *Pings           `json:"pings,omitempty"`
}

// Delivery is one kind of push.
type Delivery struct {
	Name     string        `json:"name"`
	Pushes   int           `json:"pushes"`
	Matched  int           `json:"matched"`  // receivers that castgate reported
	Received int           `json:"received"` // correct messages
	Took     time.Duration `json:"took_ns"`
}

// PerConnection is by how many bytes a weight exceeds the first one, per
// connection.
func (r *Result) PerConnection(w gateway.Weight) float64 {
	return float64(w.PSS-r.Weights[0].PSS) / float64(r.Options.Connections)
}

// WriteTable writes the result for people to read.
func (r *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d connections, %d processes of the swarm; %s, %d cores, Linux %s, %s\n", r.Options.Connections, r.Swarms,
		r.Machine.Processor, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	if r.Options.Note != "" {
		fmt.Fprintln(w, r.Options.Note)
	}
	fmt.Fprintf(w, "opened in %v (%v of CPU each), bound in %v, all noticed as cut after %v\n", r.Opening.Round(time.Second),
		latency.Round(r.CPUPerConnect), r.Binding.Round(time.Second), r.Cutting.Round(time.Millisecond))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "moment\tPSS MiB\theap MiB\tbytes each\tfiles\tgoroutines\tthreads\tconnections\tuids\tgroups\tmachine has left, MiB")
	for _, x := range r.Weights {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.0f\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\n", x.Moment, mib(x.PSS), mib(x.Heap), r.PerConnection(x),
			x.Files, x.Goroutines, x.Threads, x.Connections, x.UIDs, x.Groups, mib(x.Available))
	}
	fmt.Fprintln(t, "pushes\tnumber\treceivers reported\tmessages received\ttook")
	for _, d := range r.Deliveries {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%v\n", d.Name, d.Pushes, d.Matched, d.Received, d.Took.Round(time.Millisecond))
	}
	if r.Pings != nil {
		r.Pings.write(t)
	}
	return t.Flush()
}

// Save writes the result as JSON to a file in dir, named after its start, and
// returns its path.
func (r *Result) Save(dir string) (string, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("million-%s.json", r.Started.Format("20060102-150405")))
	return path, os.WriteFile(path, append(b, '\n'), 0o644)
}
