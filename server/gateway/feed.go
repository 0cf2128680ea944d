package gateway

import (
	"context"
	"encoding/json"
	"time"
)

// EventFeed is what fronts may ask of the events that backends are told. All
// methods may be called from any goroutine; every error is an *Error.
type EventFeed interface {
	// Events returns events in the order in which they were written, as CloudEvents in
	// JSON. CodeInvalidCursor: After is no event's id. CodeEventGone: that event is not
	// kept any more. CodeInvalidLimit.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// Dead returns the events that were set aside because a subscriber does not accept
	// them, oldest first.
	Dead(ctx context.Context) ([]DeadEvent, error)
	// Replay sends events again.
	Replay(ctx context.Context, q Replay) (ReplayResult, error)
}

// Backlog is how far the telling of events is behind.
type Backlog struct {
	QueueBytes int64  `json:"queue_bytes"` // of events that a subscriber was not told of
	Lost       uint64 `json:"lost"`        // events that were dropped, over the life of the process
	Dead       int    `json:"dead"`        // events that were set aside
	Held       int    `json:"held"`        // clients that are not read until there is room
	Stuck      bool   `json:"stuck"`       // the disk takes no events
}

// EventQuery is the argument of EventFeed.Events.
type EventQuery struct {
	// After is the id of the event after which the page begins; "" for the oldest that
	// is kept.
	After string
	// Limit is the most events of the page, 1 to 10,000; 0 means 100. A page has fewer
	// once they are megabytes.
	Limit int
	// Wait has an empty page wait for an event, until ctx is done.
	Wait bool
}

// EventPage is the answer of EventFeed.Events.
type EventPage struct {
	Events []json.RawMessage
	// Last is the id of the last event; EventQuery.After of an empty page.
	Last string
}

// DeadEvent is an event that was set aside.
type DeadEvent struct {
	ID     string
	URL    string // of the subscriber, without its query; "" if it is one no more
	Status int    // of its last answer; 0 for none
	Error  string
	At     time.Time // when it was set aside
	Event  json.RawMessage
}

// Replay is the argument of EventFeed.Replay: either After, the id of an event, and
// every subscriber is told again of all that came after it; or the events that were
// set aside, those of IDs or all.
type Replay struct {
	After string
	IDs   []string
}

// ReplayResult is the answer of EventFeed.Replay.
type ReplayResult struct {
	// Replayed and Failed count events set aside that were sent once more: accepted
	// now, or not. With CodeDeadline some were not sent.
	Replayed, Failed int
	// Queued counts the events that came after Replay.After.
	Queued int
}
