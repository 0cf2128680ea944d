package soak

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/bench/gateway"
	"castgate/internal/wstest"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// short is a soak of two seconds with few clients.
func short(t *testing.T) Options {
	o := Defaults()
	o.Castgate, o.Output = wstest.Build(t), io.Discard
	o.Length, o.Every, o.Tide, o.Rest = 2*time.Second, 20*time.Millisecond, 200*time.Millisecond, 0
	o.Connections, o.Stay, o.Groups, o.Replace = 40, 20, 5, 50
	o.Slack = 1 << 30 // the heap of a new process says nothing
	return o
}

// withoutTrends removes what two seconds cannot show.
func withoutTrends(r *Result) []string {
	return slices.DeleteFunc(slices.Clone(r.Faults), func(text string) bool {
		return slices.ContainsFunc(r.Trends, func(x Trend) bool { return strings.HasPrefix(text, x.Name) })
	})
}

// Everything is counted, stored in a file, and drawn from it.
func TestShortSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := short(t)
	var log []string
	seen := 0
	o.Log = func(line string) { log = append(log, line) }
	o.Seen = func(Sample, int64) { seen++ }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if faults := withoutTrends(r); len(faults) > 0 {
		t.Errorf("%q\n%s", faults, strings.Join(log, "\n"))
	}
	c := r.Traffic.Churn
	if c.Replaced == 0 || c.Broken == 0 || c.Broken == c.Replaced || !c.Back || c.Groups.Taken == 0 || c.Unicasts.Taken == 0 || r.Traffic.Pushes.Taken == 0 {
		t.Errorf("%+v", c)
	}
	if len(r.Samples) == 0 || seen != len(r.Samples) || len(r.Trends) != len(series) || r.Before.PSS == 0 || r.After.PSS == 0 {
		t.Errorf("%d samples, %d seen, %d trends, %+v, %+v", len(r.Samples), seen, len(r.Trends), r.Before, r.After)
	}
	for _, s := range r.Samples {
		if s.PSS <= 0 || s.Heap <= 0 || s.Files < s.Connections || s.Goroutines <= 0 || s.Threads <= 0 || s.Connections > 2*o.Connections {
			t.Errorf("%+v", s)
		}
	}
	keeps(t, r)
}

// keeps writes the result, reads it and draws it.
func keeps(t *testing.T, r *Result) {
	t.Helper()
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "goroutines") || !strings.Contains(table.String(), "at rest") {
		t.Errorf("%v\n%s", err, table.String())
	}
	path, err := r.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(path)
	if err != nil || !reflect.DeepEqual(again.Samples, r.Samples) || !reflect.DeepEqual(again.Trends, r.Trends) || again.Traffic.Churn.Replaced != r.Traffic.Churn.Replaced {
		t.Fatalf("%v, %+v", err, again)
	}
	paths, err := again.Draw(filepath.Join(t.TempDir(), "charts"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil || xml.Unmarshal(b, new(struct{})) != nil || !strings.Contains(string(b), "descriptors") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A gateway that leaks is reported, whatever it leaks.
func TestLeaksAreReported(t *testing.T) {
	for name, leak := range map[string]func(w *gateway.Weight, n int){
		"PSS":               func(w *gateway.Weight, n int) { w.PSS += int64(n) << 14 },
		"heap":              func(w *gateway.Weight, n int) { w.Heap += int64(n) << 14 },
		"descriptors":       func(w *gateway.Weight, n int) { w.Files += n },
		"other descriptors": func(w *gateway.Weight, n int) { w.Files += n },
		"connections":       func(w *gateway.Weight, n int) { w.Connections += n },
		"goroutines":        func(w *gateway.Weight, n int) { w.Goroutines += n },
		"":                  func(w *gateway.Weight, n int) { w.Files, w.Goroutines, w.Control = w.Files+n, w.Goroutines+n, n },
		"threads":           func(w *gateway.Weight, n int) { w.Threads += n },
	} {
		r := &Result{Options: Options{Warmup: time.Nanosecond}}
		n := 0
		ctx, stop := context.WithCancel(t.Context())
		err := watch(ctx, time.Millisecond, func(context.Context, string) (gateway.Weight, error) {
			w := gateway.Weight{PSS: 40 << 20, Heap: 8 << 20, Files: 120, Connections: 100, Goroutines: 20, Threads: 12}
			leak(&w, n)
			return w, nil
		}, func(s Sample) {
			// However slow this machine is, a second has passed.
			s.At = float64(n)
			r.Samples = append(r.Samples, s)
			if n++; n == 100 {
				stop()
			}
		})
		stop()
		r.judge()
		leaks := slices.ContainsFunc(r.Faults, func(text string) bool { return strings.HasPrefix(text, name+": rises") })
		if err != nil || name != "" && !leaks || name == "" && len(r.Faults) > 0 { // "": connections that are ours
			t.Errorf("%s: %v, faults %q", name, err, r.Faults)
		}
	}
}

// A whole run also notices a leak, and a gateway that cannot be weighed.
func TestSoakFails(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := short(t)
	n := 0
	o.weigh = func(context.Context, string) (gateway.Weight, error) {
		n++
		return gateway.Weight{PSS: 1 << 20, Heap: 1 << 20, Files: 10 + n, Goroutines: 5, Threads: 5}, nil
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Faults, func(text string) bool { return strings.HasPrefix(text, "descriptors: rises") }) {
		t.Fatalf("%q", r.Faults)
	}
	n = 0
	o.weigh = func(context.Context, string) (gateway.Weight, error) {
		if n++; n > 3 {
			return gateway.Weight{}, errors.New("it is gone")
		}
		return gateway.Weight{}, nil
	}
	r, err = Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Samples) != 3 || !slices.Contains(r.Faults, "sample 4: it is gone") {
		t.Fatalf("%q", r.Faults)
	}
}

// An interrupted soak keeps its results.
func TestInterrupted(t *testing.T) {
	o := short(t)
	o.Length = 20 * time.Minute
	ctx, stop := context.WithCancel(t.Context())
	seen := 0
	o.Seen = func(s Sample, _ int64) {
		if seen++; seen > 1 && s.At > 0.2 { // on a busy machine the first comes late
			stop()
		}
	}
	r, err := Run(ctx, o)
	if err != nil || !r.Interrupted || len(r.Samples) < 2 || r.Traffic == nil || len(r.Faults) > 0 || r.After.PSS != 0 {
		t.Fatalf("%v, %+v", err, r)
	}
	keeps(t, r)
	if r, err := Run(ctx, o); r != nil || err == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"length: 0s is not":        func(o *Options) { o.Length = 0 },
		"warm-up: 3s is not":       func(o *Options) { o.Warmup = 3 * time.Second },
		"more than 100000":         func(o *Options) { o.Length, o.Every = time.Hour, 10*time.Millisecond },
		"connections that stay: 4": func(o *Options) { o.Stay = 40 },
		"size: 1 is not":           func(o *Options) { o.Size = 1 },
		`source "z"`:               func(o *Options) { o.Sources = "z" },
		"schemes: none":            func(o *Options) { o.Schemes = nil },
		"no such file":             func(o *Options) { o.Castgate = "/nonexistent" },
	} {
		o := short(t)
		change(&o)
		if r, err := Run(t.Context(), o); r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := Read("soak_test.go"); err == nil {
		t.Error("this file is a result")
	}
}
