package control

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// mostEventWait is how long GET /v1/events may wait for an event.
const mostEventWait = time.Minute

// eventQuery is what the query of a route about events says.
type eventQuery struct {
	gateway.EventQuery
	wait time.Duration
	ids  []string
	dead bool
}

// feed is where events come from, or the error where there are none.
func (s *Server) feed() (gateway.EventFeed, error) {
	if s.config.Feed == nil {
		return nil, wire.Faultf(codeNotFound, "events are off; set events-url or events-dir")
	}
	return s.config.Feed, nil
}

// readEvents takes a parameter of GET /v1/events.
func (q *query) readEvents(name, value string) error {
	switch name {
	case "after":
		q.events.After = strings.Clone(value)
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > gateway.MaxPageLen {
			return &gateway.Error{Code: gateway.CodeInvalidLimit, Detail: "limit must be a number from 1 to " + strconv.Itoa(gateway.MaxPageLen)}
		}
		q.events.Limit = n
	case "wait":
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds < 0 || seconds > int(mostEventWait.Seconds()) {
			return wire.Faultf(codeInvalidParameter, "wait must be a number of seconds from 0 to %d, not %.64q", int(mostEventWait.Seconds()), value)
		}
		q.events.wait = time.Duration(seconds) * time.Second
	default:
		return unknownParameter(name, "after, limit, wait")
	}
	return nil
}

// listEvents serves GET /v1/events: a page of the events that backends are told, as
// CloudEvents; of one that would be empty, once there is an event or wait is over.
func (c *call) listEvents() error {
	feed, err := c.server.feed()
	if err != nil {
		return err
	}
	q := c.query.events.EventQuery
	if q.Wait = c.query.events.wait > 0; q.Wait {
		defer c.waitFor(c.query.events.wait)()
	}
	page, err := feed.Events(c.ctx, q)
	if err != nil {
		return err
	}
	if prefersLines(c.http.Request.Header.Peek(fasthttp.HeaderAccept)) {
		for _, e := range page.Events {
			c.out = append(append(c.out, e...), '\n')
		}
		c.answer(ndjsonType)
		return nil
	}
	c.out = append(c.out, `{"events":[`...)
	for i, e := range page.Events {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, e...)
	}
	c.out = appendNullable(append(c.out, `],"last":`...), page.Last)
	c.out = append(c.out, '}')
	c.answer(jsonType)
	return nil
}

// deadEvents serves GET /v1/events/dead: the events that were set aside.
func (c *call) deadEvents() error {
	feed, err := c.server.feed()
	if err != nil {
		return err
	}
	dead, err := feed.Dead(c.ctx)
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"events":[`...)
	for i := range dead {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		d := &dead[i]
		c.out = wire.AppendString(append(c.out, `{"id":`...), d.ID)
		c.out = appendNullable(append(c.out, `,"url":`...), d.URL)
		c.out = appendInt(c.out, `,"status":`, d.Status)
		c.out = wire.AppendString(append(c.out, `,"error":`...), d.Error)
		c.out = wire.AppendTime(append(c.out, `,"set_aside_at":`...), d.At)
		c.out = append(append(append(c.out, `,"event":`...), d.Event...), '}')
	}
	c.out = append(c.out, `]}`...)
	c.answer(jsonType)
	return nil
}

// readReplay takes a parameter of POST /v1/events/replay.
func (q *query) readReplay(name, value string) (err error) {
	switch name {
	case "after":
		q.events.After = strings.Clone(value)
	case "id":
		q.events.ids = append(q.events.ids, strings.Clone(value))
	case "dead":
		q.events.dead, err = flag(name, value)
	default:
		err = unknownParameter(name, "after, id, dead")
	}
	return err
}

// replayEvents serves POST /v1/events/replay.
func (c *call) replayEvents() error {
	feed, err := c.server.feed()
	if err != nil {
		return err
	}
	q := &c.query.events
	given := 0
	for _, is := range []bool{q.After != "", len(q.ids) > 0, q.dead} {
		if is {
			given++
		}
	}
	if given != 1 {
		return wire.Faultf(codeInvalidParameter, "give one of after (an id), id (of events that were set aside) and dead=1 (all of those)")
	}
	defer c.wait()()
	r, err := feed.Replay(c.ctx, gateway.Replay{After: q.After, IDs: q.ids})
	if err != nil {
		return err
	}
	if c.server.audit.On() {
		c.did("events_replay", slog.Int("replayed", r.Replayed), slog.Int("failed", r.Failed), slog.Int("queued", r.Queued))
	}
	c.out = appendInt(c.out, `{"replayed":`, r.Replayed)
	c.out = appendInt(c.out, `,"failed":`, r.Failed)
	c.out = appendInt(c.out, `,"queued":`, r.Queued)
	c.out = append(c.out, '}')
	c.answer(jsonType)
	return nil
}
