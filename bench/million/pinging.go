package million

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"castgate/loadtest/latency"
	"castgate/loadtest/proc"
)

// pingTimeout is long because a guest is slow: no client may be dropped for it.
const pingTimeout = 10 * time.Minute

// pongBytes are on the wire for a pong without data: a head of two and a mask of four.
const pongBytes = 6

// Pings is what the gateway did while it pinged everybody at an interval.
type Pings struct {
	Interval time.Duration `json:"interval_ns"`
	Took     time.Duration `json:"took_ns"`
	Sent     int           `json:"sent"`    // as castgate counts
	Arrived  int           `json:"arrived"` // as the swarms count, a little longer; each was answered
	Pongs    int           `json:"pongs"`   // by the bytes that castgate has read
	CPU      time.Duration `json:"cpu_ns"`  // of castgate, user and system
	Busy     time.Duration `json:"busy_ns"` // of all cores of the machine
	// Sends are the calls that wrote to clients, as castgate counts. Reads and Writes are
	// those that the kernel counts in /proc/PID/io, the control port's among them.
	Sends  int `json:"send_calls"`
	Reads  int `json:"read_calls"`
	Writes int `json:"write_calls"`
	// Trace is all calls by name, as strace counted them during the next seconds; nil
	// without strace. Each sendto is a ping.
	Trace map[string]int `json:"trace,omitempty"`
}

// writePings writes the file with which the gateway pings at an interval.
func (p *play) writePings(interval time.Duration) error {
	text := fmt.Sprintf("ping-interval = %q\nping-timeout = %q\n", interval, pingTimeout)
	return os.WriteFile(p.config, []byte(text), 0o600)
}

// pingAndCut pings and cuts. That something was wrong with pings must not cost the end of
// a run of an hour.
func (p *play) pingAndCut(ctx context.Context) error {
	err := p.ping(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(err, p.cut(ctx))
}

// ping has the gateway ping everybody, and counts once that is in force.
func (p *play) ping(ctx context.Context) error {
	if p.Pings == 0 {
		return nil
	}
	sent, err := p.gateway.Control.Metric(ctx, pingsSent)
	if err != nil {
		return err
	}
	if err := p.writePings(p.PingInterval); err != nil {
		return err
	}
	if err := p.gateway.Control.Reload(ctx); err != nil {
		return err
	}
	if err := p.awaitPings(ctx, int(sent)+p.Connections); err != nil {
		return err
	}
	// The swarms' answers come last and first: they take minutes where a guest is too slow
	// for the interval, which must not lengthen what is counted of castgate.
	arrived, err := p.herd.report()
	if err != nil {
		return err
	}
	before, err := p.readPings(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, p.Pings); err != nil {
		return err
	}
	after, err := p.readPings(ctx)
	if err != nil {
		return err
	}
	found, err := p.herd.report()
	if err != nil {
		return err
	}
	r := after.since(before)
	r.Interval, r.Arrived = p.PingInterval, int(found.Pings-arrived.Pings)
	p.result.Pings = &r
	p.log("%d pings in %v, %d arrived, %d pongs read, %v of CPU; calls: %d send, %d read, %d write", r.Sent,
		r.Took.Round(time.Millisecond), r.Arrived, r.Pongs, r.CPU.Round(time.Millisecond), r.Sends, r.Reads, r.Writes)
	if r.Sent == 0 {
		return fmt.Errorf("no pings in %v", r.Took)
	}
	if r.Trace, err = p.trace(ctx); err != nil {
		p.log("not traced: %v", err)
	}
	return p.afterPings(ctx)
}

// afterPings checks that the pings have cost nobody the connection.
func (p *play) afterPings(ctx context.Context) error {
	found, err := p.herd.report()
	if err != nil {
		return err
	}
	if found.Fault != "" || found.Open != p.Connections {
		return fmt.Errorf("after the pings %d connections are open, not %d; %s", found.Open, p.Connections, found.Fault)
	}
	_, err = p.weigh(ctx, "after the pings", 0)
	return err
}

const pingsSent = "castgate_pings_sent_total"

// inForce is after how long a shorter interval holds for everybody: a loop looks at each
// client every two minutes at least.
const inForce = 130 * time.Second

// awaitPings waits until the gateway has sent that many pings, or the interval holds for
// everybody. A guest that is too slow for the interval pings without a pause by then.
func (p *play) awaitPings(ctx context.Context, n int) error {
	for begun := time.Now(); ; {
		sent, err := p.gateway.Control.Metric(ctx, pingsSent)
		if err != nil || int(sent) >= n {
			return err
		}
		if time.Since(begun) > inForce {
			p.log("%d pings are left until everybody had one", n-int(sent))
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// readPings reads all of castgate's counters as they are now; Took is the time of day.
func (p *play) readPings(ctx context.Context) (r Pings, err error) {
	all, err := p.gateway.Control.Metrics(ctx)
	if err != nil {
		return r, err
	}
	r.Sent = int(all[pingsSent])
	r.Pongs = int(all["castgate_received_bytes_total"] / pongBytes)
	r.Sends = int(all["castgate_writes_total"])
	var errs [3]error
	r.Reads, r.Writes, errs[0] = p.gateway.Process.Calls()
	r.CPU, errs[1] = p.gateway.Process.CPU()
	r.Busy, errs[2] = proc.BusyCPU()
	r.Took = time.Duration(time.Now().UnixNano())
	return r, errors.Join(errs[:]...)
}

// since is what happened between two readings.
func (r Pings) since(b Pings) Pings {
	return Pings{
		Took: r.Took - b.Took, Sent: r.Sent - b.Sent, Pongs: r.Pongs - b.Pongs,
		CPU: r.CPU - b.CPU, Busy: r.Busy - b.Busy, Sends: r.Sends - b.Sends, Reads: r.Reads - b.Reads, Writes: r.Writes - b.Writes,
	}
}

// trace is the gateway's calls by name, during a while.
func (p *play) trace(ctx context.Context) (map[string]int, error) {
	if p.Trace == 0 {
		return nil, errors.New("not asked for")
	}
	file := filepath.Join(filepath.Dir(p.config), "trace")
	if err := traceCalls(ctx, p.gateway.Process.PID, p.Trace, file); err != nil {
		return nil, err
	}
	table, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseTrace(string(table))
}

// write adds the rows of a table.
func (r *Pings) write(w io.Writer) {
	each := func(n int) float64 { return float64(n) / float64(max(r.Sent, 1)) }
	fmt.Fprintf(w, "pings\tsent\tarrived\tpongs read\tCPU\tCPU each\tsend calls each\tread calls each\twrite calls each\tmachine busy\n")
	fmt.Fprintf(w, "every %v, in %v\t%d\t%d\t%d\t%v\t%v\t%.4f\t%.4f\t%.4f\t%v\n", r.Interval, r.Took.Round(time.Millisecond), r.Sent, r.Arrived,
		r.Pongs, r.CPU.Round(time.Millisecond), latency.Round(r.CPU/time.Duration(max(r.Sent, 1))), each(r.Sends), each(r.Reads), each(r.Writes),
		r.Busy.Round(time.Millisecond))
	if len(r.Trace) == 0 {
		return
	}
	fmt.Fprintln(w, "calls by strace\tnumber\ta ping")
	names := slices.SortedFunc(maps.Keys(r.Trace), func(a, b string) int { return cmp.Or(r.Trace[b]-r.Trace[a], cmp.Compare(a, b)) })
	for _, name := range names {
		if pings := r.Trace["sendto"]; pings > 0 {
			fmt.Fprintf(w, "%s\t%d\t%.4f\n", name, r.Trace[name], float64(r.Trace[name])/float64(pings))
		} else { // it only read pongs meanwhile
			fmt.Fprintf(w, "%s\t%d\t-\n", name, r.Trace[name])
		}
	}
}
