package gateway

import (
	"context"
	"errors"
	"fmt"

	"castgate/internal/machine"
)

// Weight is what the process used at one moment, in bytes and numbers.
type Weight struct {
	Moment string `json:"moment"`
	PSS    int64  `json:"pss"`
	RSS    int64  `json:"rss"`
	Heap   int64  `json:"heap"` // memory of Go objects, including dead ones
	// Available is the available memory of the whole machine: sockets take
	// kernel memory at both ends.
	Available   int64 `json:"machine_available"`
	Files       int   `json:"files"`
	Threads     int   `json:"threads"`
	Goroutines  int   `json:"goroutines"`
	Connections int   `json:"connections"`
	UIDs        int   `json:"uids"`
	Groups      int   `json:"groups"`
	// Control is the number of connections of its control port; each has one of
	// the files and goroutines.
	Control int `json:"control_connections"`
}

// Weigh takes all readings.
func (g *Gateway) Weigh(ctx context.Context, moment string) (w Weight, err error) {
	w.Moment = moment
	var errs [5]error
	w.PSS, errs[0] = g.Process.PSS()
	w.RSS, errs[1] = g.Process.RSS()
	w.Files, errs[2] = g.Process.Files()
	w.Threads, errs[3] = g.Process.Threads()
	w.Available, errs[4] = machine.Available()
	if err := errors.Join(errs[:]...); err != nil {
		return w, err
	}
	all, err := g.Control.Metrics(ctx)
	if err != nil {
		return w, err
	}
	heap := 0
	for name, into := range map[string]*int{
		"go_goroutines": &w.Goroutines, "castgate_connections": &w.Connections,
		"castgate_uids": &w.UIDs, "castgate_groups": &w.Groups, "castgate_control_connections": &w.Control,
		"go_memstats_heap_alloc_bytes": &heap,
	} {
		v, there := all[name]
		if !there {
			return w, fmt.Errorf("/metrics has no %s", name)
		}
		*into = int(v)
	}
	w.Heap = int64(heap)
	return w, nil
}
