package watch

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// waits are how long the page has waited for each kind of request, with the network and
// with the bench itself, which shares the machine. They say which request to look at; what
// is judged is the time that the server has counted.
type waits struct {
	mu  sync.Mutex
	all map[string][]time.Duration
}

// note keeps a wait. Any goroutine.
func (w *waits) note(u *url.URL, d time.Duration) {
	kind := strings.TrimPrefix(u.Path, "/api/")
	if names := slices.Sorted(maps.Keys(u.Query())); len(names) > 0 {
		kind += "?" + names[0]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string][]time.Duration{}
	}
	w.all[kind] = append(w.all[kind], d)
}

// String has the median and the longest wait of each kind, in milliseconds.
func (w *waits) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(w.all)) {
		d := slices.Sorted(slices.Values(w.all[kind]))
		out = append(out, fmt.Sprintf("%s %.1f/%.1f", kind, milliseconds(d[len(d)/2]), milliseconds(d[len(d)-1])))
	}
	return strings.Join(out, ", ")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
