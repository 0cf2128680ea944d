package history

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/gateway"
)

// Limits of those who watch.
const (
	MostTails = 16
	// tailRoom is how many happenings wait for one who watches.
	tailRoom = 2048
)

// Tails are those who watch what happens.
type Tails struct {
	mu   sync.Mutex
	open atomic.Pointer[[]*tail] // nil if there are none
}

// tail implements gateway.Tail.
type tail struct {
	of      *Tails
	filter  gateway.TailFilter
	next    chan gateway.Happening
	dropped atomic.Uint64
}

// Watched tells whether anybody watches.
func (t *Tails) Watched() bool { return t.open.Load() != nil }

// Tail begins to watch; see gateway.Historian.
func (t *Tails) Tail(f gateway.TailFilter) (gateway.Tail, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*tail
	if now := t.open.Load(); now != nil {
		all = *now
	}
	if len(all) >= MostTails {
		return nil, &gateway.Error{Code: gateway.CodeBusy, Detail: "too many tails are open; end one of them"}
	}
	one := &tail{of: t, filter: f, next: make(chan gateway.Happening, tailRoom)}
	all = append(slices.Clone(all), one)
	t.open.Store(&all)
	return one, nil
}

func (w *tail) Next() <-chan gateway.Happening { return w.next }

func (w *tail) Dropped() uint64 { return w.dropped.Load() }

func (w *tail) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	now := w.of.open.Load()
	if now == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(*now), func(o *tail) bool { return o == w })
	if len(left) == 0 {
		w.of.open.Store(nil)
		return
	}
	w.of.open.Store(&left)
}

// Subject is the client that something happens to, as far as filters look at it.
type Subject struct {
	UID, Previous string
	Remote        netip.AddrPort
	Groups        Groups
}

// Groups are a client's.
type Groups interface{ InGroup(name string) bool }

// Tell tells those who watch the client what happens to it. What that is is made only if
// somebody is told, and once. It never waits: for whom there is no room, that is counted.
func (t *Tails) Tell(s *Subject, what func() gateway.Happening) {
	t.tell(func(f *gateway.TailFilter) bool {
		return (f.UID == "" || f.UID == s.UID || f.UID == s.Previous) &&
			(!f.Address.IsValid() || f.Address.Contains(s.Remote.Addr())) &&
			(f.Group == "" || s.Groups.InGroup(f.Group))
	}, what)
}

// TellPush tells those who watch its targets of a push.
func (t *Tails) TellPush(to *gateway.Targets, matched, bytes int, binary bool) {
	if !t.Watched() {
		return
	}
	t.tell(func(f *gateway.TailFilter) bool {
		return !f.Address.IsValid() &&
			(f.UID == "" || to.All || slices.Contains(to.UIDs, f.UID)) &&
			(f.Group == "" || to.All || slices.Contains(to.Groups, f.Group))
	}, func() gateway.Happening {
		return gateway.Happening{
			Kind: gateway.Pushed, To: told(to), Names: len(to.ClientIDs) + len(to.UIDs) + len(to.Groups),
			Matched: matched, Bytes: bytes, Binary: binary,
		}
	})
}

// tell tells those whom a filter lets.
func (t *Tails) tell(lets func(*gateway.TailFilter) bool, what func() gateway.Happening) {
	all := t.open.Load()
	if all == nil {
		return
	}
	var h gateway.Happening
	for _, w := range *all {
		if !lets(&w.filter) {
			continue
		}
		if len(w.next) == cap(w.next) {
			w.dropped.Add(1)
			continue
		}
		if h.Kind == "" {
			h = what()
			h.At = time.Now()
		}
		select {
		case w.next <- h:
		default:
			w.dropped.Add(1)
		}
	}
}

// told copies the first names of each list of targets.
func told(to *gateway.Targets) gateway.Targets {
	return gateway.Targets{ClientIDs: first(to.ClientIDs), UIDs: first(to.UIDs), Groups: first(to.Groups), All: to.All}
}

func first(names []string) []string {
	var list []string
	for _, name := range names[:min(len(names), gateway.MaxToldNames)] {
		list = append(list, strings.Clone(name[:min(len(name), gateway.MaxNameLen)]))
	}
	return list
}
