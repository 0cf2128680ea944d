package watch

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// slowest is how long a request of the page may take in the server.
const slowest = 50 * time.Millisecond

// changesOf is how many changes a client makes that leaves, returns and is bound.
const changesOf = 3

// changes has clients come and go while the page is open, next to a tail that nobody
// reads, and says how long the page's requests took.
func changes(ctx context.Context, o Options) error {
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }() // the figures are taken already
	b := &binder{control: s.Control, came: make(chan control.Binding, o.Clients)}
	clients, err := s.crowd(ctx, o.Clients, 1, b.arrived)
	if err != nil {
		return err
	}
	defer clients.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	if err := b.await(ctx, int64(o.Clients)); err != nil {
		return err
	}
	var round atomic.Int64
	looking, err := look(ctx, s.admin, func() []string {
		n := int(round.Add(1)) % o.Clients
		return []string{
			"/api/search?uid=" + uidOf(n), "/api/search?group=group", "/api/search?address=10.0.0.0/8", "/api/explain?uid=" + uidOf(n), "/api/session",
			"/api/client?" + url.Values{"id": clients.ClientIDs()[n : n+1]}.Encode(),
		}
	})
	if err != nil {
		return err
	}
	stuck, err := looking.follow(ctx) // nobody reads it
	if err != nil {
		return err
	}
	defer stuck.Body.Close()
	before, begun := b.bound.Load(), time.Now()
	if err := churn(ctx, clients, o); err != nil {
		return err
	}
	bound, took := b.bound.Load()-before, time.Since(begun)
	_ = stuck.Body.Close()
	if err := looking.close(); err != nil {
		return err
	}
	m, err := s.unwatched(ctx)
	if err != nil {
		return err
	}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "changes  %d clients, %.0f changes a second: %s; its tail told %d and dropped %d, a tail that nobody reads and it dropped %.0f\n",
		o.Clients, float64(bound*changesOf)/took.Seconds(), within(m), looking.tailed.Load(), looking.lost.Load(), m["castgate_admin_tail_dropped_total"])
	fmt.Fprintf(o.Out, "changes  what the page waited, median/longest in ms: %s\n", &looking.waited)
	if over := m[times+"_count"] - m[bucket(slowest)]; over > 0 {
		return fmt.Errorf("%.0f requests of the page took more than %v in the server", over, slowest)
	}
	return nil
}

// unwatched are the metrics once nobody watches any more: what a tail has dropped is
// counted when it sends, or ends.
func (s *site) unwatched(ctx context.Context) (map[string]float64, error) {
	for {
		m, err := s.Control.Metrics(ctx)
		if err != nil || m["castgate_admin_tails"] == 0 {
			return m, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const times = "castgate_admin_request_duration_seconds"

func bucket(limit time.Duration) string {
	return fmt.Sprintf("%s_bucket{le=\"%g\"}", times, limit.Seconds())
}

// within says how long requests took, as the server has counted them.
func within(m map[string]float64) string {
	for _, limit := range []time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, slowest, 100 * time.Millisecond, 250 * time.Millisecond, time.Second} {
		if m[bucket(limit)] == m[times+"_count"] {
			return fmt.Sprintf("%.0f requests, mean %.1f ms, each within %v", m[times+"_count"], 1000*m[times+"_sum"]/m[times+"_count"], limit)
		}
	}
	return fmt.Sprintf("%.0f requests, some over a second", m[times+"_count"])
}

// churn replaces clients, evenly, for the time of a measurement.
func churn(ctx context.Context, clients *swarm.Swarm, o Options) error {
	const turn = 20 * time.Millisecond
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	began, replaced := time.Now(), 0
	for {
		since := time.Since(began)
		if since >= o.Watch {
			return nil
		}
		var some []int
		for ; float64(replaced) < since.Seconds()*float64(o.Changes)/changesOf; replaced++ {
			some = append(some, replaced%o.Clients)
		}
		if _, err := clients.Replace(some...); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// binder binds clients as they connect.
type binder struct {
	control *control.Client
	came    chan control.Binding
	bound   atomic.Int64
}

func uidOf(connection int) string { return fmt.Sprintf("user-%d", connection) }

func (b *binder) arrived(connection int, clientID string) {
	b.came <- control.Binding{ClientID: clientID, UID: uidOf(connection), Groups: []string{"group"}}
}

// run binds the clients that have connected, many at a time, until ctx is done.
func (b *binder) run(ctx context.Context) error {
	const most = 256
	var wait sync.WaitGroup
	defer wait.Wait()
	for {
		var some []control.Binding
		select {
		case <-ctx.Done():
			return nil
		case one := <-b.came:
			some = append(some, one)
		}
		for more := true; more && len(some) < most; {
			select {
			case one := <-b.came:
				some = append(some, one)
			default:
				more = false
			}
		}
		if err := b.control.Bind(ctx, some); err != nil && ctx.Err() == nil {
			return err
		}
		b.bound.Add(int64(len(some)))
	}
}

// await waits until so many have been bound.
func (b *binder) await(ctx context.Context, n int64) error {
	for end := time.Now().Add(time.Minute); b.bound.Load() < n; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(end) {
			return fmt.Errorf("%d are bound after a minute, want %d", b.bound.Load(), n)
		}
	}
	return nil
}
