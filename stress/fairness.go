package stress

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// How strong an attack is, and how much of it others may notice, in addition to
// what they notice of a busy machine without it.
const (
	fairP99     = 50 * time.Millisecond
	attackRate  = 3 << 20 // bytes a second, all connections together
	attackTime  = 1500 * time.Millisecond
	calmTime    = 500 * time.Millisecond // before the attack
	bystanders  = 20
	mostAttacks = 3 // in one round
)

var fairness = []Scenario{{
	Name:    "fairness",
	Says:    "whatever strangers send, p99 of everybody else stays under 50 ms",
	prepare: fair,
}, {
	Name:    "fair-worker",
	Says:    "whatever strangers send, a slow worker gets everybody else's events in time",
	prepare: fairWorker,
}}

// fair plays attacks in random order, with random numbers of connections, and
// measures what bystanders notice meanwhile.
func fair(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
	pair := wstest.NewAuthority(t).Issue("gateway")
	o := wstest.Options{
		Schemes: []string{"text", "frame", "wss"},
		Flags: []string{"--compress", "--ping-interval", "0", "--control-key", fairKey, "--control-key", callerKey, "--max-handshake", "64KiB",
			"--tls-cert", pair.Cert, "--tls-key", pair.Key, "--jwt-secret", fairSecret,
			"--proxy-protocol", "--trusted-proxies", proxyHost},
		Key: fairKey,
	}
	return o, besieging(slices.Concat(attacks, visitAttacks, clientAttacks, callerAttacks), siege), nil
}

const fairKey = "a-key-that-no-stranger-knows"

// besieging returns a round that plays a few of the attacks. STRESS_ATTACK selects
// attacks by a part of their names, which are then played once each. STRESS_CONNS
// sets the number of connections.
func besieging(of []attack, siege func(t *Trial, s *site, a *attack, conns int, name string)) func(t *Trial, s *site) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	most := mostAttacks
	if part := os.Getenv("STRESS_ATTACK"); part != "" {
		of = slices.DeleteFunc(slices.Clone(of), func(a attack) bool { return !strings.Contains(a.name, part) })
		most = len(of)
	}
	sizes := []int{1, 10, 100}
	if n, err := strconv.Atoi(os.Getenv("STRESS_CONNS")); err == nil && n > 0 {
		sizes = []int{n}
	}
	var order []int
	return func(t *Trial, s *site) {
		for range most {
			if len(order) == 0 {
				order = random.Perm(len(of))
			}
			a := &of[order[0]]
			order = order[1:]
			conns := sizes[random.IntN(len(sizes))]
			t.within(func(t *Trial) {
				siege(t, s, a, conns, fmt.Sprintf("%s by %d connections (seed %d)", a.name, conns, seed))
			})
		}
	}
}

// siege plays one attack and measures what the bystanders notice.
func siege(t *Trial, s *site, a *attack, conns int, name string) {
	b := s.besieged(t, name, newStopwatch())
	day := func(length time.Duration) {
		begun := time.Now()
		for n := 0; time.Since(begun) < length; n++ {
			b.pushOne(n)
			if n%4 == 0 { // often enough for a p99
				b.connectOne()
			}
			b.nap(2 * time.Millisecond)
		}
	}
	day(calmTime)
	b.attack(a, conns)
	day(attackTime)
	b.end()
	b.judge(0)
}

// besieged are the bystanders of an attack.
type besieged struct {
	t     *Trial
	s     *site
	name  string
	crowd []*wstest.Client
	watch *stopwatch
	cost  cost

	over, halt         atomic.Bool
	attackers, readers sync.WaitGroup
	pushed             []int         // messages received by each
	late               time.Duration // the longest nap beyond its time
}

func (s *site) besieged(t *Trial, name string, watch *stopwatch) *besieged {
	b := &besieged{t: t, s: s, name: name, crowd: s.crowd(t, bystanders), pushed: make([]int, bystanders), watch: watch}
	for i, c := range b.crowd {
		s.Bind(c.ID, "bystander-"+strconv.Itoa(i))
	}
	for i, c := range b.crowd {
		b.readers.Go(func() { b.watch.arrivals(c, &b.halt, &b.pushed[i]) })
	}
	return b
}

// attack starts the attack.
func (b *besieged) attack(a *attack, conns int) {
	runs := slices.Repeat([]attackRun{a.run}, conns)
	if a.prepare != nil {
		for i := range runs {
			runs[i] = a.prepare(b.t, b.s)
		}
	}
	b.watch.restart()
	b.cost = b.s.costs(b.t)
	for i, run := range runs {
		b.attackers.Go(func() { run(b.t, b.s, i, &b.over, attackRate/conns) })
	}
}

// pushOne pushes to the n-th bystander.
func (b *besieged) pushOne(n int) {
	asked := time.Now()
	matched := b.s.push(wstest.To("uids", "bystander-"+strconv.Itoa(n%bystanders)), strconv.FormatInt(asked.UnixNano(), 10))
	b.watch.note("a push to its answer", time.Since(asked))
	b.t.Equal(b.name+": clients of a bystander's uid", matched, 1)
}

// connectOne is one more bystander, which connects and disconnects. It returns its
// first message.
func (b *besieged) connectOne() (first string) {
	asked := time.Now()
	c := b.s.DialRaw(b.t)
	first = c.Upgrade()
	b.watch.note("a connect to its first message", time.Since(asked))
	b.s.expect(handshakesOK, 1)
	_ = c.Close()
	return first
}

// nap sleeps and records how late this program wakes up: on a busy machine that is
// not the gateway's fault.
func (b *besieged) nap(length time.Duration) {
	begun := time.Now()
	time.Sleep(length)
	b.late = max(b.late, time.Since(begun)-length)
}

// end ends the attack and waits for all pushes to arrive.
func (b *besieged) end() {
	b.cost = b.s.costs(b.t).since(b.cost)
	b.over.Store(true)
	b.attackers.Wait()
	b.s.AwaitMetric("castgate_deliveries_queued", 0)
	b.halt.Store(true)
	for i := range b.crowd {
		b.s.push(wstest.To("uids", "bystander-"+strconv.Itoa(i)), "end")
	}
	b.readers.Wait()
	for _, n := range b.pushed {
		b.s.addReceived(n)
	}
}

// judge checks how long everything took; more is added to the limit for what a
// worker handles.
func (b *besieged) judge(more time.Duration) {
	w := b.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	var report strings.Builder
	for what, took := range w.of {
		calm, p99 := percentile(w.calm[what], 99), percentile(took, 99)
		limit := fairP99 + calm + b.late
		if strings.HasSuffix(what, toWorker) {
			limit += more
		}
		b.t.Check(p99 < limit, "%s: p99 of %s is %v, of %d; without an attack %v, and this program was late by %v", b.name, what, p99, len(took), calm, b.late)
		fmt.Fprintf(&report, "\n  %-32s p50 %8.1f ms  p99 %8.1f ms  of %4d, calm %6.1f ms", what,
			percentile(took, 50).Seconds()*1e3, p99.Seconds()*1e3, len(took), calm.Seconds()*1e3)
	}
	if os.Getenv("STRESS_REPORT") != "" {
		fmt.Fprintf(os.Stderr, "%s\n  %v%s\n", b.name, b.cost, &report)
	}
}

// percentile returns a percentile of times, which it sorts; 0 if there are none.
func percentile(took []time.Duration, p int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*p/100]
}

// stopwatch collects durations.
type stopwatch struct {
	mu       sync.Mutex
	of, calm map[string][]time.Duration
}

func newStopwatch() *stopwatch { return &stopwatch{of: map[string][]time.Duration{}} }

// restart makes the durations so far those of the calm time.
func (w *stopwatch) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm, w.of = w.of, map[string][]time.Duration{}
}

func (w *stopwatch) note(what string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[what] = append(w.of[what], took)
}

// arrivals measures the messages of a bystander, each of which contains the time of
// its request, until one says that it is the last.
func (w *stopwatch) arrivals(c *wstest.Client, halt *atomic.Bool, n *int) {
	for {
		text := c.Next().Data
		*n++
		what, since := "a push to its arrival", text
		if at, ok := strings.CutPrefix(text, phpMark); ok {
			what, since = "a sendToUid to its arrival", at
		}
		asked, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			return
		}
		w.note(what, time.Since(time.Unix(0, asked)))
	}
}
