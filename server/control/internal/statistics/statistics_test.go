package statistics

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"castgate/server/control/internal/callers"
	"castgate/server/gateway"
)

// numbered is a reading whose numbers all differ, and their values by field.
func numbered[T any](t *testing.T) (*T, map[string]float64) {
	t.Helper()
	st, values := new(T), map[string]float64{}
	n := 100
	var fill func(name string, v reflect.Value)
	fill = func(name string, v reflect.Value) {
		n++
		switch v.Interface().(type) {
		case int:
			v.SetInt(int64(n))
		case uint16, uint64:
			v.SetUint(uint64(n))
		case bool: // the only number below 2
			v.SetBool(true)
			values[name] = 1
			return
		case time.Duration:
			v.SetInt(int64(n) * int64(time.Second))
		case time.Time:
			v.Set(reflect.ValueOf(time.Unix(int64(n), 0)))
		case map[string]uint64:
			v.Set(reflect.ValueOf(map[string]uint64{"one": uint64(n)}))
		case *gateway.KeyFetches:
			v.Set(reflect.ValueOf(new(gateway.KeyFetches)))
			for f, inner := range v.Elem().Fields() {
				fill(name+"."+f.Name, inner)
			}
			return
		case gateway.Durations:
			d := gateway.Durations{Sum: time.Duration(n) * time.Second}
			d.Buckets[0] = 1
			v.Set(reflect.ValueOf(d))
		case callers.Counts:
			for f, inner := range v.Fields() {
				fill(name+"."+f.Name, inner)
			}
			return
		case []gateway.Certificate: // see descExpiry
			return
		default:
			t.Fatalf("%s is a %v: the table of statistics knows no such number", name, v.Type())
		}
		values[name] = float64(n)
	}
	for f, v := range reflect.ValueOf(st).Elem().Fields() {
		fill(f.Name, v)
	}
	return st, values
}

// Every number of the gateway is a metric, except constants.
func TestEveryStatisticIsAMetric(t *testing.T) {
	st, values := numbered[gateway.Stats](t)
	for _, constant := range []string{"Node", "StartedAt", "Loops"} {
		delete(values, constant)
	}
	requireMetrics(t, gatewayStatistics, st, values)
}

// Every number of the port is a metric; that of its connections is a sum.
func TestEveryNumberOfThePortIsAMetric(t *testing.T) {
	p, values := numbered[Port](t)
	values["Callers"] = values["Callers.Callers"] + values["Callers.Strangers"]
	delete(values, "Callers.Callers")
	delete(values, "Callers.Strangers")
	values["ReloadFailing"] = 0
	requireMetrics(t, portStatistics, p, values)
}

// requireMetrics requires that each value is sent once, as a counter if the name of
// the metric says so.
func requireMetrics[T any](t *testing.T, table []statistic[T], from T, values map[string]float64) {
	t.Helper()
	out := make(chan prometheus.Metric, 200)
	collect(table, from, out)
	close(out)
	var sent []float64
	for m := range out {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		counter := strings.Contains(m.Desc().String(), "_total\"")
		if counter != (d.Counter != nil) || counter == (d.Gauge != nil || d.Histogram != nil) {
			t.Errorf("%v is of the wrong type: %v", m.Desc(), &d)
		}
		sent = append(sent, d.GetCounter().GetValue()+d.GetGauge().GetValue()+d.GetHistogram().GetSampleSum())
	}
	for name, v := range values {
		if !slices.Contains(sent, v) {
			t.Errorf("no metric has %s", name)
		}
	}
	if len(sent) != len(values) {
		t.Errorf("%d metrics of %d numbers", len(sent), len(values))
	}
}

// The members of an object are adjacent in the table, so that the object is
// written once.
func TestStatsAreAnObject(t *testing.T) {
	st, values := numbered[gateway.Stats](t)
	text := Append(nil, st)
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	inside, _ := got["compression"].(map[string]any)
	if got["node"] != values["Node"] || got["loop_lag_seconds"] != values["LoopLag"] || inside["clients"] != values["CompressedClients"] ||
		!reflect.DeepEqual(inside["errors"], map[string]any{"one": values["InflateErrors"]}) {
		t.Errorf("%s", text)
	}
	members := 0
	for i := range gatewayStatistics {
		if gatewayStatistics[i].member != "" {
			members++
		}
	}
	if len(got)-1+len(inside) != members {
		t.Errorf("%d members of %d: %s", len(got)-1+len(inside), members, text)
	}
}
