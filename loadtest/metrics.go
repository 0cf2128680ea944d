package loadtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// Metrics reads /metrics. A sample has its name there, including labels in
// braces; the bare name of a metric is the sum over all its labels.
func (c *Control) Metrics(ctx context.Context) (map[string]float64, error) {
	body, err := c.do(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		at := bytes.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(string(line[at+1:]), 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: %s", excerpt(line))
		}
		name, _, labelled := bytes.Cut(line[:at], []byte("{"))
		all[string(name)] += v
		if labelled {
			all[string(line[:at])] = v
		}
	}
	return all, nil
}

// Metric reads one sample of Metrics.
func (c *Control) Metric(ctx context.Context, name string) (float64, error) {
	all, err := c.Metrics(ctx)
	if err != nil {
		return 0, err
	}
	v, there := all[name]
	if !there {
		return 0, fmt.Errorf("/metrics has no %s", name)
	}
	return v, nil
}
