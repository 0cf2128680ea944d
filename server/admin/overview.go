package admin

import (
	"net/http"
	"strconv"
	"time"

	"castgate/server/gateway"
)

// mostPoints is how many samples one answer has.
const mostPoints = 600

// overview serves GET /api/overview: the samples after a time, and how things are now.
func (s *Server) overview(w http.ResponseWriter, c *call) error {
	after, _ := strconv.ParseInt(c.URL.Query().Get("after"), 10, 64)
	ctx, done := c.ctx()
	defer done()
	st, err := s.config.Gateway.Stats(ctx)
	if err != nil {
		return err
	}
	answer := map[string]any{
		"instance": s.instance, "now": time.Now().UnixMilli(), "node": st.Node, "started_at": st.StartedAt.UnixMilli(), "loops": st.Loops,
		"connections": st.Connections, "max_conns": st.MaxConns, "uids": st.UIDs, "groups": st.Groups, "waiting": st.Waiting,
		"unmatched": st.PushesUnmatched, "refused": st.PushesRefused, "queued": st.Queued, "samples": s.samples(after),
	}
	if s.cluster != nil {
		answer["nodes"] = nodesOf(s.cluster.Nodes())
		answer["joined"] = s.cluster.Joined()
	}
	if s.config.Backlog != nil {
		answer["events"] = s.config.Backlog()
	}
	return writeJSON(w, answer)
}

// samples are those after a time, by column.
func (s *Server) samples(after int64) map[string]any {
	at := []int64{}
	gauges, counts := [numGauges][]float64{}, [numCounts][]uint64{}
	dropNames, closeNames := s.past.reasons()
	drops, closes := make([][]uint64, len(dropNames)), make([][]uint64, len(closeNames))
	backlog := []float64{}
	s.past.since(after, mostPoints, func(one *sample) {
		at = append(at, one.At)
		for i, v := range one.Gauges {
			gauges[i] = append(gauges[i], v)
		}
		for i, v := range one.Counts {
			counts[i] = append(counts[i], v)
		}
		for i, v := range one.Drops {
			drops[i] = append(drops[i], v)
		}
		for i, v := range one.Closes {
			closes[i] = append(closes[i], v)
		}
		backlog = append(backlog, one.Backlog)
	})
	columns := map[string]any{"at": at, "backlog": backlog, "drops": named(dropNames, drops), "closes": named(closeNames, closes)}
	for i, name := range gaugeNames {
		columns[name] = orEmpty(gauges[i])
	}
	for i, name := range countNames {
		columns[name] = orEmpty(counts[i])
	}
	return columns
}

// named are columns by their names.
func named(names []string, columns [][]uint64) map[string][]uint64 {
	out := make(map[string][]uint64, len(names))
	for i, name := range names {
		out[name] = orEmpty(columns[i])
	}
	return out
}

// orEmpty makes of nothing a list, as JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// nodesOf is what the page shows of the nodes of a cluster.
func nodesOf(nodes []gateway.NodeInfo) []map[string]any {
	list := []map[string]any{}
	for _, n := range nodes {
		list = append(list, map[string]any{
			"node": n.Node, "address": n.Address, "version": n.Version, "state": n.State, "clients": n.Clients,
			"age_ms": n.Age.Milliseconds(), "lag_ms": float64(n.Lag.Microseconds()) / 1000,
		})
	}
	return list
}
