package castgate

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Feed says which events are listed: those that the gateway also posts, if it is told
// to, as long as it keeps them.
type Feed struct {
	// After is the id of an event: those after it are listed. Without it the listing
	// begins with the oldest event that is kept.
	After string
	// Limit is the most events of a page, 0 for 100.
	Limit int
	// Wait is how long an empty page waits for an event, in whole seconds up to 60. An
	// attempt may then take that much longer than Options.Timeout.
	Wait time.Duration
}

// EventPage returns events, oldest first. Last is the After of the next page. The
// error CodeEventGone says that events after After are not kept any more.
func (c *Client) EventPage(ctx context.Context, f Feed) (p EventPage, err error) {
	q := url.Values{}
	if f.After != "" {
		q.Set("after", f.After)
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.Wait > 0 {
		q.Set("wait", strconv.FormatInt(int64(f.Wait/time.Second), 10))
	}
	what := call{method: http.MethodGet, path: "/v1/events", safe: true, longer: f.Wait}
	if len(q) > 0 {
		what.path += "?" + q.Encode()
	}
	err = c.do(ctx, what, &p)
	return p, err
}

// Events lists events, oldest first, until a page is empty: with Wait until none has
// come for that long. An error ends the listing.
func (c *Client) Events(ctx context.Context, f Feed) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			page, err := c.EventPage(ctx, f)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
			}
			if len(page.Events) == 0 || page.Last == nil {
				return
			}
			f.After = *page.Last
		}
	}
}

// DeadEvents returns the events that were set aside: a backend does not accept them,
// although it accepts others.
func (c *Client) DeadEvents(ctx context.Context) (d DeadEvents, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/events/dead", safe: true}, &d)
	return d, err
}

// Replay says which events are told again. One of its fields is given.
type Replay struct {
	// After is the id of an event: all later ones, to every backend.
	After string
	// IDs are of events that were set aside.
	IDs []string
	// Dead is for all that were set aside.
	Dead bool
}

// Replay tells events again. It is repeated as a push is: only if it has certainly not
// been executed.
func (c *Client) Replay(ctx context.Context, r Replay) (a ReplayAnswer, err error) {
	q := url.Values{"id": r.IDs}
	if r.After != "" {
		q.Set("after", r.After)
	}
	if r.Dead {
		q.Set("dead", "1")
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/v1/events/replay?" + q.Encode()}, &a)
	return a, err
}

// Nodes returns what the node asked knows of the cluster's nodes, itself included.
// Without a cluster there are none.
func (c *Client) Nodes(ctx context.Context) (n NodeList, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/v1/nodes", safe: true}, &n)
	return n, err
}
