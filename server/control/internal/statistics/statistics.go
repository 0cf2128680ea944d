package statistics

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// statistic is one number, or one number per value of a label, with the names
// under which callers see it. T is what the number is read from.
type statistic[T any] struct {
	// member is its name in GET /v1/stats, or object.name inside an object; ""
	// leaves it out. Members are written in the order of the table.
	member string
	// metric is its name in GET /metrics, without the namespace; "" leaves it
	// out. A name that ends in _total is a counter, any other a gauge.
	metric string
	help   string // of the metric, in the first row that has its name
	// label is the metric's label, "" for none. Its value is that of value or,
	// if read returns a map, value followed by the map's key.
	label, value string
	// read returns an int, uint16, uint64, bool, time.Duration, time.Time, a
	// map[string]uint64 by label, or *gateway.Durations, which make a histogram. nil
	// leaves the number out.
	read func(T) any

	desc *prometheus.Desc
}

// described gives a description to each row that is a metric.
func described[T any](table []statistic[T]) []statistic[T] {
	known := map[string]*prometheus.Desc{}
	for i := range table {
		row := &table[i]
		if row.metric == "" {
			continue
		}
		d := known[row.metric]
		if d == nil {
			var labels []string
			if row.label != "" {
				labels = []string{row.label}
			}
			d = desc(row.metric, row.help, labels...)
			known[row.metric] = d
		}
		row.desc = d
	}
	return table
}

// collect sends the rows that are metrics.
func collect[T any](table []statistic[T], from T, out chan<- prometheus.Metric) {
	for i := range table {
		row := &table[i]
		if row.desc == nil {
			continue
		}
		kind := prometheus.GaugeValue
		if strings.HasSuffix(row.metric, "_total") {
			kind = prometheus.CounterValue
		}
		switch v := row.read(from).(type) {
		case nil:
		case *gateway.Durations:
			out <- histogram(row.desc, v)
		case map[string]uint64:
			for key, n := range v {
				out <- prometheus.MustNewConstMetric(row.desc, kind, float64(n), row.value+key)
			}
		default:
			var labels []string
			if row.label != "" {
				labels = []string{row.value}
			}
			out <- prometheus.MustNewConstMetric(row.desc, kind, sample(v), labels...)
		}
	}
}

// histogram is a reading of durations as a metric.
func histogram(d *prometheus.Desc, v *gateway.Durations, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstHistogram(d, v.Count(), v.Sum.Seconds(), v.Cumulative(), labels...)
}

// sample is a number as a metric: durations in seconds, times in seconds since
// 1970 with 0 for none, true as 1.
func sample(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case uint16:
		return float64(v)
	case uint64:
		return float64(v)
	case bool:
		if v {
			return 1
		}
		return 0
	case time.Duration:
		return v.Seconds()
	case time.Time:
		if v.IsZero() {
			return 0
		}
		return float64(v.UnixNano()) / 1e9
	}
	panic(fmt.Sprintf("a statistic is a %T", v)) // a row of our table; tests read them all
}

// Append appends the members of GET /v1/stats as one object.
func Append(dst []byte, st *gateway.Stats) []byte {
	inside := "" // the object that is open
	separator := byte('{')
	for i := range gatewayStatistics {
		row := &gatewayStatistics[i]
		if row.member == "" {
			continue
		}
		object, name, nested := strings.Cut(row.member, ".")
		if !nested {
			object, name = "", row.member
		}
		if object != inside {
			if inside != "" {
				dst = append(dst, '}')
			}
			if inside = object; object != "" {
				dst = append(wire.AppendString(append(dst, separator), object), ':')
				separator = '{'
			}
		}
		dst = append(wire.AppendString(append(dst, separator), name), ':')
		dst = appendStatistic(dst, row.read(st))
		separator = ','
	}
	if inside != "" {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendStatistic(dst []byte, v any) []byte {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case time.Time:
		return wire.AppendTime(dst, v)
	case map[string]uint64:
		return appendCounters(dst, v)
	}
	return strconv.AppendFloat(dst, sample(v), 'f', -1, 64)
}

// appendCounters appends counters by label, in the order of labels.
func appendCounters(dst []byte, counters map[string]uint64) []byte {
	dst = append(dst, '{')
	for i, label := range slices.Sorted(maps.Keys(counters)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, label), ':')
		dst = strconv.AppendUint(dst, counters[label], 10)
	}
	return append(dst, '}')
}
