package control

import (
	"bytes"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metricsFormat is that of GET /metrics.
var metricsFormat = expfmt.NewFormat(expfmt.TypeTextPlain)

// scrapes makes the text of all metrics, once at a time: it takes a millisecond, and
// many at once would keep every core from those who push. Whoever comes while one is
// being made shares the next one, which is as new as one of its own would be.
type scrapes struct {
	source prometheus.Gatherer
	turn   sync.Mutex // held while one is made

	mu   sync.Mutex
	next *scrape // has not begun; nil for none
}

// scrape is one text and who wants it.
type scrape struct {
	made bool // guarded by scrapes.turn, as what follows
	text []byte
	err  error
}

// take returns the text of all metrics as they are now. It must not be changed. Any
// goroutine.
func (s *scrapes) take() ([]byte, error) {
	mine := s.join()
	s.turn.Lock()
	defer s.turn.Unlock()
	if !mine.made {
		s.mu.Lock()
		s.next = nil // who comes from now on has to see what has been since
		s.mu.Unlock()
		mine.made, mine.err = true, errScrape
		mine.text, mine.err = s.make()
	}
	return mine.text, mine.err
}

// errScrape is that of a scrape that has met a defect.
var errScrape = errors.New("the metrics could not be collected")

// join returns the scrape that begins next.
func (s *scrapes) join() *scrape {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = new(scrape)
	}
	return s.next
}

func (s *scrapes) make() ([]byte, error) {
	families, err := s.source.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, metricsFormat)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// scrape serves GET /metrics.
func (c *call) scrape() error {
	text, err := c.server.metrics.scrapes.take()
	if err != nil {
		return err
	}
	c.http.Response.Header.SetContentType(string(metricsFormat))
	c.http.Response.SetBodyRaw(text)
	return nil
}
