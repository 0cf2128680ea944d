package tell

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"castgate/loadtest/control"
)

// company is what runs beside pushes and messages.
type company string

const (
	nothing company = "nothing" // messages are counted only
	posts   company = "posts"   // another process sends the backend as many events
	events  company = "events"  // messages are events
)

const (
	// turn is how long pushes are measured before it is the turn of the next company,
	// so that all of them have the same neighbours on the machine.
	turn = time.Second
	// settling comes before each turn.
	settling = 300 * time.Millisecond
)

// table is where pushes are measured: a gateway with its company and one client.
type table struct {
	*site
	beside   company
	receiver clients
	id       string
	in       *bufio.Reader
	times    *hdrhistogram.Histogram
	told     int64
	cpu      time.Duration
	took     time.Duration
}

// pushes measures how long a push to one client takes while other clients send, beside
// each company in turn, and prints a line for each.
func pushes(ctx context.Context, o Options, order []string, say func(beside company, line string)) error {
	var tables []*table
	defer func() {
		for _, t := range tables {
			t.receiver.close()
			t.close()
		}
	}()
	for _, name := range order {
		t, err := lay(ctx, o, company(name))
		if err != nil {
			return err
		}
		tables = append(tables, t)
	}
	for began := time.Duration(0); began < o.Measure; began += turn {
		for _, t := range tables {
			if err := t.turn(ctx, o, min(turn, o.Measure)); err != nil {
				return fmt.Errorf("beside %s: %w", t.beside, err)
			}
		}
	}
	for _, t := range tables {
		if t.beside == events {
			if err := t.lost(ctx); err != nil {
				return err
			}
		}
		say(t.beside, fmt.Sprintf("%d pushes, p50 %.3f ms, p99 %.3f ms, %.0f events/s, gateway %.2f cores", t.times.TotalCount(),
			ms(t.times, 50), ms(t.times, 99), float64(t.told)/t.took.Seconds(), t.cpu.Seconds()/t.took.Seconds()))
	}
	return nil
}

func ms(h *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(h.ValueAtQuantile(quantile)) / 1e6
}

// lay starts what a table needs.
func lay(ctx context.Context, o Options, beside company) (t *table, err error) {
	t = &table{beside: beside, times: hdrhistogram.New(1, int64(10*time.Second), 3)}
	flags := []string{"--on-message", "ignore"}
	if beside == events {
		flags[1] = "forward"
	}
	if t.site, err = open(ctx, o, beside == events, flags...); err != nil {
		return nil, err
	}
	if beside == posts {
		if t.backend, err = startBackend(o); err != nil {
			t.close()
			return nil, err
		}
	}
	err = t.receiver.connect(t.listen, 1, func(client string, _ net.Conn, r *bufio.Reader) { t.id, t.in = client, r })
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// patience is how long a turn may take until something comes from the company. Where other
// programs need the processors, that may not have run before.
const patience = time.Minute

// turn measures for a while, and until the company has sent something; it runs only during
// that time.
func (t *table) turn(ctx context.Context, o Options, length time.Duration) error {
	defer t.leave()
	if err := t.begin(o, Part{To: t.listen, Senders: o.Senders, Rate: o.Rate}); err != nil {
		return err
	}
	if t.beside == posts {
		if err := t.begin(o, Part{Post: t.backend.url, Rate: o.Rate}); err != nil {
			return err
		}
	}
	if err := roundTrips(ctx, t.Control, t.id, t.in, settling, nil); err != nil {
		return err
	}
	told, cpu, err := t.sums(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		if err := roundTrips(ctx, t.Control, t.id, t.in, length, t.times); err != nil {
			return err
		}
		after, used, err := t.sums(ctx)
		if err != nil {
			return err
		}
		if t.beside != nothing && after == told && time.Since(began) < patience && ctx.Err() == nil {
			continue
		}
		t.took += time.Since(began)
		t.told, t.cpu = t.told+after-told, t.cpu+used-cpu
		return ctx.Err()
	}
}

// roundTrips pushes to a client, each push once the previous one has arrived. It records
// how long each takes, if it is given a place for that.
func roundTrips(ctx context.Context, api *control.Client, id string, in *bufio.Reader, length time.Duration, times *hdrhistogram.Histogram) error {
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		began := time.Now()
		if _, err := api.PushClient(ctx, id, []byte("x")); err != nil {
			return err
		}
		if _, err := frame(in); err != nil {
			return err
		}
		if times == nil {
			continue
		}
		if err := times.RecordValue(int64(time.Since(began))); err != nil {
			return err
		}
	}
	return ctx.Err()
}
