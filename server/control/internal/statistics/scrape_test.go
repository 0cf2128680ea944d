package statistics

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// counted is a Gatherer whose one metric is the number of its calls.
func counted(asked *atomic.Int64, meanwhile func()) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		n := float64(asked.Add(1))
		meanwhile()
		name, kind := "asked", dto.MetricType_GAUGE
		return []*dto.MetricFamily{{Name: &name, Type: &kind, Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &n}}}}}, nil
	})
}

// Scrapes are serialized. Each caller gets one that began after its call, and
// shares it with the callers that arrived meanwhile.
func TestScrapes(t *testing.T) {
	var asked, running atomic.Int64
	var s scrapes
	var late *scrape
	s.source = counted(&asked, func() { late = s.join() })
	first := s.join()
	if other := s.join(); other != first {
		t.Error("two that have not begun are not the same")
	}
	if text, err := s.get(); err != nil || !strings.HasSuffix(string(text), "asked 1\n") {
		t.Errorf("%q, %v", text, err)
	}
	if late == first || s.join() != late {
		t.Error("who comes while one is made shares it, or none")
	}
	s.source = counted(&asked, func() {
		if n := running.Add(1); n != 1 {
			t.Errorf("%d are made at once", n)
		}
		running.Add(-1)
	})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				before := asked.Load()
				text, err := s.get()
				var n int64
				if _, scan := fmt.Sscanf(string(text[strings.LastIndexByte(string(text), ' ')+1:]), "%d", &n); err != nil || scan != nil || n <= before {
					t.Errorf("%q, %v after %d", text, err, before)
				}
			}
		})
	}
	all.Wait()
}

// A scrape that fails or panics fails for all who share it, but not for later
// callers.
func TestScrapesFail(t *testing.T) {
	broken := errors.New("broken")
	s := scrapes{source: prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, broken })}
	if _, err := s.get(); err != broken {
		t.Error(err)
	}
	shared := s.join()
	s.source = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("defect") })
	func() {
		defer func() { _ = recover() }()
		_, _ = s.get()
	}()
	if !shared.made || shared.err == nil {
		t.Errorf("%+v", shared)
	}
	var asked atomic.Int64
	s.source = counted(&asked, func() {})
	if text, err := s.get(); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
}
