package events

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"castgate/server/events/internal/post"
	"castgate/server/events/internal/store"
	"castgate/server/gateway"
)

// Limits of what the feed answers.
const (
	mostPageEvents = 10_000
	mostPageBytes  = 4 << 20
)

var _ gateway.EventFeed = (*Events)(nil)

// Events implements gateway.EventFeed.
func (e *Events) Events(ctx context.Context, q gateway.EventQuery) (gateway.EventPage, error) {
	if q.Limit < 0 || q.Limit > mostPageEvents {
		return gateway.EventPage{}, &gateway.Error{Code: gateway.CodeInvalidLimit, Detail: fmt.Sprintf("a page has 1 to %d events", mostPageEvents)}
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	from := e.store.First()
	if q.After != "" {
		number, err := e.find(ctx, q.After)
		if err != nil {
			return gateway.EventPage{}, err
		}
		from = number + 1
	}
	page := gateway.EventPage{Last: q.After}
	for r := e.store.NewReader(from); ; {
		grown := e.store.Grown()
		err := e.readPage(r, q.Limit, &page)
		if err != nil || len(page.Events) > 0 || !q.Wait {
			return page, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return page, nil
		case <-e.stop:
			return page, nil
		}
	}
}

// readPage adds events until there are enough, or no more.
func (e *Events) readPage(r *store.Reader, limit int, page *gateway.EventPage) error {
	size := 0
	for len(page.Events) < limit && size < mostPageBytes {
		rec, ok, err := r.Next()
		if err != nil {
			return &gateway.Error{Code: gateway.CodeBusy, Detail: "the event log cannot be read: " + err.Error()}
		}
		if !ok {
			return nil
		}
		if rec.Kind != kindEvent {
			continue
		}
		_, body, err := parseHeader(rec.Payload)
		if err != nil {
			continue
		}
		page.Events = append(page.Events, bytes.Clone(body))
		page.Last = eventID(body)
		e.shared.note(page.Last, rec.Number)
		size += len(body)
	}
	return nil
}

var errGone = &gateway.Error{Code: gateway.CodeEventGone, Detail: "this event, and maybe others after it, are not kept any more; " +
	"look who is there with GET /v1/clients, and go on without after"}

// find returns the number of the event with an id.
func (e *Events) find(ctx context.Context, id string) (uint64, error) {
	unknown := &gateway.Error{Code: gateway.CodeInvalidCursor, Detail: "after is not the id of an event of this gateway"}
	if strings.HasPrefix(id, sharedBefore) {
		return e.findShared(ctx, id)
	}
	_, digits, ok := strings.Cut(id, "-")
	number, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || number == 0 || number >= e.store.Next() {
		return 0, unknown
	}
	rec, found, err := e.store.NewReader(number).Next()
	switch {
	case err == nil && found && rec.Number == number && rec.Kind == kindEvent:
		if _, body, err := parseHeader(rec.Payload); err == nil && eventID(body) == id {
			return number, nil
		}
	case number < e.store.First():
		return 0, errGone
	}
	return 0, unknown
}

// Dead implements gateway.EventFeed.
func (e *Events) Dead(context.Context) ([]gateway.DeadEvent, error) {
	names := map[string]string{}
	for _, s := range *e.subscribers.Load() {
		names[s.name] = shown(s.url)
	}
	var out []gateway.DeadEvent
	for _, l := range e.dead.list() {
		out = append(out, gateway.DeadEvent{
			ID: eventID(l.Event), URL: names[l.Name], Status: l.Status, Error: l.Error, At: l.At, Event: l.Event,
		})
	}
	return out, nil
}

// Replay implements gateway.EventFeed.
func (e *Events) Replay(ctx context.Context, q gateway.Replay) (gateway.ReplayResult, error) {
	if q.After != "" {
		return e.rewind(ctx, q.After)
	}
	var result gateway.ReplayResult
	letters := e.dead.list()
	if len(q.IDs) > 0 {
		letters = slices.DeleteFunc(letters, func(l deadLetter) bool { return !slices.Contains(q.IDs, eventID(l.Event)) })
	}
	for _, s := range *e.subscribers.Load() {
		mine := slices.DeleteFunc(slices.Clone(letters), func(l deadLetter) bool { return l.Name != s.name })
		for part := range slices.Chunk(mine, e.config.Batch) {
			if ctx.Err() != nil || e.closed.Load() {
				return result, nil
			}
			batch := make([]item, len(part))
			for i, l := range part {
				batch[i] = item{number: l.Number, body: l.Event}
			}
			if s.attempt(batch).Outcome != post.Accepted {
				result.Failed += len(part)
				continue
			}
			result.Replayed += len(part)
			if err := e.dead.done(part); err != nil {
				e.log.Error("replayed events could not be removed from those set aside", "err", err)
			}
		}
	}
	return result, nil
}

// rewind has every subscriber told again of what came after an event.
func (e *Events) rewind(ctx context.Context, after string) (gateway.ReplayResult, error) {
	number, err := e.find(ctx, after)
	if err != nil {
		return gateway.ReplayResult{}, err
	}
	result := gateway.ReplayResult{}
	for r := e.store.NewReader(number + 1); ; {
		rec, ok, err := r.Next()
		if err != nil || !ok {
			break
		}
		if rec.Kind == kindEvent {
			result.Queued++
		}
	}
	e.targets.Lock()
	defer e.targets.Unlock()
	for _, s := range *e.subscribers.Load() {
		s.rewind(number + 1)
	}
	e.placesMoved()
	return result, nil
}
