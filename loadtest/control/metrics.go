package control

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"castgate/loadtest/internal/oneline"
)

// Metrics reads /metrics. A sample has its name there, including labels in
// braces; the bare name of a metric is the sum over all its labels. Of several nodes
// it is the sum over all of them.
func (c *Client) Metrics(ctx context.Context) (map[string]float64, error) {
	all := map[string]float64{}
	for _, base := range c.bases {
		body, err := c.do(ctx, http.MethodGet, base+"/metrics", "", nil)
		if err == nil {
			err = addMetrics(all, body)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addMetrics adds the samples of one node.
func addMetrics(all map[string]float64, body []byte) error {
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		at := bytes.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(string(line[at+1:]), 64)
		if err != nil {
			return fmt.Errorf("/metrics: %s", oneline.Excerpt(line))
		}
		name, _, labelled := bytes.Cut(line[:at], []byte("{"))
		all[string(name)] += v
		if labelled {
			all[string(line[:at])] += v
		}
	}
	return nil
}

// Metric reads one sample of Metrics.
func (c *Client) Metric(ctx context.Context, name string) (float64, error) {
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
