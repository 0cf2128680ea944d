package statistics

import (
	"bytes"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// ContentType is the media type of Metrics.Text.
var ContentType = string(format)

// format is that of GET /metrics.
var format = expfmt.NewFormat(expfmt.TypeTextPlain)

// scrapes makes the text of all metrics, one at a time: it takes a millisecond,
// and many at once would keep every core from pushes. A caller that arrives
// while one is being made shares the next one, which is as recent as one of its
// own would be.
type scrapes struct {
	source prometheus.Gatherer
	turn   sync.Mutex // held while a text is made

	mu   sync.Mutex
	next *scrape // not begun; nil for none
}

// scrape is one text and its callers.
type scrape struct {
	made bool // guarded by scrapes.turn, like the fields below
	text []byte
	err  error
}

// get returns the text of all metrics as they are now. It must not be changed.
// It may be called from any goroutine.
func (s *scrapes) get() ([]byte, error) {
	mine := s.join()
	s.turn.Lock()
	defer s.turn.Unlock()
	if !mine.made {
		s.mu.Lock()
		s.next = nil // later callers must see later changes
		s.mu.Unlock()
		mine.made, mine.err = true, errScrape
		mine.text, mine.err = s.make()
	}
	return mine.text, mine.err
}

// errScrape is the error of a scrape that panicked.
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
	enc := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
