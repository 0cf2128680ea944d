package stress

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// What everybody else may notice of one attack, and how large that is.
const (
	fairP99     = 50 * time.Millisecond
	attackRate  = 3 << 20 // bytes a second, of all its connections together
	attackTime  = 1500 * time.Millisecond
	bystanders  = 20
	mostAttacks = 3 // of a round
)

var fairness = []Scenario{{
	Name:    "fairness",
	Says:    "whatever strangers send, p99 of everybody else stays under 50 ms",
	prepare: fair,
}}

// fair plays attacks in random order, with random numbers of connections, and
// times what bystanders do meanwhile.
func fair(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var order []int
	o := wstest.Options{
		Schemes: []string{"text", "frame"},
		Flags:   []string{"--compress", "--ping-interval", "0", "--control-key", fairKey, "--max-handshake", "32KiB"},
		Key:     fairKey,
	}
	return o, func(t *Trial, s *site) {
		for range mostAttacks {
			if len(order) == 0 {
				order = random.Perm(len(attacks))
			}
			a := &attacks[order[0]]
			order = order[1:]
			conns := []int{1, 10, 100}[random.IntN(3)]
			t.within(func(t *Trial) {
				siege(t, s, a, conns, fmt.Sprintf("%s by %d connections (seed %d)", a.name, conns, seed))
			})
		}
	}, nil
}

const fairKey = "a-key-that-no-stranger-knows"

// siege is one attack and what the bystanders notice.
func siege(t *Trial, s *site, a *attack, conns int, name string) {
	crowd := s.crowd(t, bystanders)
	watch := &stopwatch{of: map[string][]time.Duration{}}
	var over atomic.Bool
	var attackers, readers sync.WaitGroup
	for i := range conns {
		attackers.Go(func() { a.run(t, s, i, &over, attackRate/conns) })
	}
	pushed := make([]int, bystanders)
	for i, c := range crowd {
		s.Bind(c.ID, "bystander-"+strconv.Itoa(i))
	}
	var halt atomic.Bool
	for i, c := range crowd {
		readers.Go(func() { watch.arrivals(c, &halt, &pushed[i]) })
	}
	begun := time.Now()
	for n := 0; time.Since(begun) < attackTime; n++ {
		i := n % bystanders
		asked := time.Now()
		matched := s.push(wstest.To("uids", "bystander-"+strconv.Itoa(i)), strconv.FormatInt(asked.UnixNano(), 10))
		watch.note("a push to its answer", time.Since(asked))
		t.Equal(name+": clients of a bystander's uid", matched, 1)
		if n%10 == 0 {
			asked = time.Now()
			c := s.DialRaw(t)
			c.Upgrade()
			watch.note("a connect to its first message", time.Since(asked))
			s.owe(handshakesOK, 1)
			_ = c.Close()
		}
		time.Sleep(2 * time.Millisecond)
	}
	over.Store(true)
	attackers.Wait()
	s.AwaitMetric("castgate_deliveries_queued", 0)
	halt.Store(true)
	for i := range crowd {
		s.push(wstest.To("uids", "bystander-"+strconv.Itoa(i)), "end")
	}
	readers.Wait()
	for _, n := range pushed {
		s.heard(n)
	}
	for what, took := range watch.of {
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		t.Check(p99 < fairP99, "%s: p99 of %s is %v, of %d", name, what, p99, len(took))
	}
}

// stopwatch collects how long things took.
type stopwatch struct {
	mu sync.Mutex
	of map[string][]time.Duration
}

func (w *stopwatch) note(what string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[what] = append(w.of[what], took)
}

// arrivals times the messages of a bystander, each of which says when it was
// asked for, until one says that it is the end.
func (w *stopwatch) arrivals(c *wstest.Client, halt *atomic.Bool, n *int) {
	for {
		text := c.Next().Data
		*n++
		asked, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return
		}
		w.note("a push to its arrival", time.Since(time.Unix(0, asked)))
	}
}
