package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"castgate/cmd/castgate/internal/client"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// topCommand is `castgate top`.
type topCommand struct {
	client.Connection
	Every   knob.Duration `default:"2s" help:"Time between two looks, 100ms to 1h."`
	Count   int           `placeholder:"N" help:"End after this many looks; default: never."`
	Cluster bool          `help:"Sum the counters of all nodes of the cluster."`
}

// Run shows the counters of a gateway as they change: on a terminal in place, elsewhere
// one block after the other.
func (c *topCommand) Run(p *process.Process) error {
	every := time.Duration(c.Every)
	if every < 100*time.Millisecond || every > time.Hour {
		return process.Failf(process.ExitUsage, "--every: %v is not between 100ms and 1h", every)
	}
	if c.Count < 0 {
		return process.Failf(process.ExitUsage, "--count: %d is negative", c.Count)
	}
	cl, err := c.Connection.Open(p)
	if err != nil {
		return err
	}
	path := "/v1/stats"
	if c.Cluster {
		path += "?cluster=1"
	}
	var before *gatewayStats
	for n := 1; ; n++ {
		now, err := statsOf(cl, path)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		now.show(&b, before)
		if p.Terminal {
			// What the gateway says holds no names, so nothing in it commands the terminal.
			_, err = fmt.Fprint(p.Screen, "\x1b[H\x1b[2J", process.Visible(b.String()))
		} else {
			_, err = b.WriteTo(p.Stdout)
		}
		if err != nil || n == c.Count {
			return err
		}
		before = now
		time.Sleep(every)
	}
}

// gatewayStats is what top shows of GET /v1/stats.
type gatewayStats struct {
	at          time.Time
	Connections int               `json:"connections"`
	UIDs        int               `json:"uids"`
	Groups      int               `json:"groups"`
	MaxConns    int               `json:"max_conns"`
	Node        int               `json:"node"`
	StartedAt   time.Time         `json:"started_at"`
	Handshakes  map[string]uint64 `json:"handshakes"`
	Closes      map[string]uint64 `json:"closes"`
	Pushes      uint64            `json:"pushes"`
	Unmatched   uint64            `json:"pushes_unmatched"`
	Refused     uint64            `json:"pushes_refused"`
	Written     uint64            `json:"written"`
	Dropped     map[string]uint64 `json:"dropped"`
	Queued      int               `json:"queued"`
	QueuedBytes int64             `json:"queued_bytes"`
	Received    uint64            `json:"messages_received"`
	BytesIn     uint64            `json:"bytes_received"`
	BytesOut    uint64            `json:"bytes_sent"`
	Lag         float64           `json:"loop_lag_seconds"`
	Complete    *bool             `json:"complete"`
}

// statsOf asks for the counters.
func statsOf(cl *client.Client, path string) (*gatewayStats, error) {
	resp, err := cl.Send(client.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	st := &gatewayStats{at: time.Now()}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("the response is not JSON: %w", err)
	}
	return st, nil
}

// show writes a block. before is the last reading, nil at the first look, which has no
// rates.
func (s *gatewayStats) show(w *bytes.Buffer, before *gatewayStats) {
	rate := func(now, then uint64) string {
		if before == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f/s", float64(now-min(then, now))/s.at.Sub(before.at).Seconds())
	}
	then := before
	if then == nil {
		then = &gatewayStats{}
	}
	part := ""
	if s.Complete != nil && !*s.Complete {
		part = ", some nodes did not answer"
	}
	fmt.Fprintf(w, "castgate node %d, up %v, %s%s\n", s.Node, s.at.Sub(s.StartedAt).Round(time.Second), s.at.Format("15:04:05"), part)
	for _, row := range [][2]string{
		{"connections", fmt.Sprintf("%d of %d", s.Connections, s.MaxConns)},
		{"uids, groups", fmt.Sprintf("%d, %d", s.UIDs, s.Groups)},
		{"connects", rate(s.Handshakes["ok"], then.Handshakes["ok"])},
		{"messages in", rate(s.Received, then.Received)},
		{"pushes", rate(s.Pushes, then.Pushes)},
		{"  for nobody", rate(s.Unmatched, then.Unmatched)},
		{"  refused", rate(s.Refused, then.Refused)},
		{"written", rate(s.Written, then.Written)},
		{"bytes in, out", rate(s.BytesIn, then.BytesIn) + ", " + rate(s.BytesOut, then.BytesOut)},
		{"queued", fmt.Sprintf("%d, %v", s.Queued, knob.Size(s.QueuedBytes))},
		{"loop lag", fmt.Sprintf("%.1f ms", s.Lag*1000)},
	} {
		fmt.Fprintf(w, "  %-16s %s\n", row[0], row[1])
	}
	for _, group := range []struct {
		name      string
		now, then map[string]uint64
	}{{"dropped", s.Dropped, then.Dropped}, {"closed", s.Closes, then.Closes}} {
		for _, reason := range slices.Sorted(maps.Keys(group.now)) {
			if n := group.now[reason]; n > 0 {
				fmt.Fprintf(w, "  %-16s %s, %d in all\n", group.name+" "+strings.ReplaceAll(reason, "_", " "), rate(n, group.then[reason]), n)
			}
		}
	}
}
