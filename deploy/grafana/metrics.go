package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

var (
	row  = regexp.MustCompile("(?m)^\\| `(castgate_[a-z_]+)` \\| ([a-z]+) \\|")
	name = regexp.MustCompile(`castgate_[a-z_]+`)
)

// metrics reads the types of metrics, by name, from their reference.
func metrics(reference string) (map[string]string, error) {
	text, err := os.ReadFile(reference)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		known[m[1]] = m[2]
	}
	if len(known) < 50 {
		return nil, fmt.Errorf("%s has only %d metrics", reference, len(known))
	}
	return known, nil
}

// check requires that a query names only metrics that there are, histograms by their
// buckets, sum or count, and counters by a rate.
func check(query string, known map[string]string) error {
	found := name.FindAllString(query, -1)
	if len(found) == 0 {
		return fmt.Errorf("%s names no metric", query)
	}
	for _, n := range found {
		base := n
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if b, is := strings.CutSuffix(n, suffix); is && known[b] == "histogram" {
				base = b
			}
		}
		kind := known[base]
		switch {
		case kind == "":
			return fmt.Errorf("%s: there is no metric %s", query, n)
		case kind == "histogram" && base == n:
			return fmt.Errorf("%s: %s is a histogram", query, n)
		case kind == "counter" && !strings.Contains(query, "rate(") && !strings.Contains(query, "increase("):
			return fmt.Errorf("%s: %s is a counter, and only grows", query, n)
		}
	}
	return nil
}
