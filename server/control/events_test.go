package control

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
)

// fakeFeed has the events that a test gives it.
type fakeFeed struct {
	query  gateway.EventQuery
	replay gateway.Replay
	waited bool
}

const oneEvent = `{"specversion":"1.0","id":"i-1","source":"/castgate/nodes/0","type":"castgate.client.bound","time":"2026-11-30T03:00:00.000000Z",` +
	`"subject":"c","datacontenttype":"application/json","instance":"00","sequence":2,"data":{"uid":"u"}}`

func (f *fakeFeed) Events(ctx context.Context, q gateway.EventQuery) (gateway.EventPage, error) {
	f.query = q
	switch q.After {
	case "gone":
		return gateway.EventPage{}, &gateway.Error{Code: gateway.CodeEventGone, Detail: "gone"}
	case "last":
		if q.Wait {
			<-ctx.Done()
			f.waited = true
		}
		return gateway.EventPage{Last: q.After}, nil
	}
	return gateway.EventPage{Events: []json.RawMessage{json.RawMessage(oneEvent), json.RawMessage(oneEvent)}, Last: "i-1"}, nil
}

func (f *fakeFeed) Dead(context.Context) ([]gateway.DeadEvent, error) {
	return []gateway.DeadEvent{{ID: "i-1", Status: 500, Error: "the answer has status 500", At: time.Unix(1, 0), Event: json.RawMessage(oneEvent)}}, nil
}

func (f *fakeFeed) Replay(_ context.Context, q gateway.Replay) (gateway.ReplayResult, error) {
	f.replay = q
	return gateway.ReplayResult{Replayed: 1, Failed: 2, Queued: 3}, nil
}

func TestEventFeed(t *testing.T) {
	feed := &fakeFeed{}
	p := start(t, func(c *Config) { c.Feed = feed })
	if status, answer, _ := p.ask("GET", "/v1/events?after=a%2Fb&limit=7", ""); status != 200 || answer != `{"events":[`+oneEvent+`,`+oneEvent+`],"last":"i-1"}` {
		t.Errorf("%d %s", status, answer)
	}
	if q := feed.query; q.After != "a/b" || q.Limit != 7 || q.Wait {
		t.Errorf("%+v", q)
	}
	if status, answer, h := p.ask("GET", "/v1/events", "", "Accept: application/x-ndjson"); status != 200 || answer != oneEvent+"\n"+oneEvent+"\n" || h.Get("Content-Type") != ndjsonType {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer, _ := p.ask("GET", "/v1/events?after=last&wait=1", ""); status != 200 || answer != `{"events":[],"last":"last"}` || !feed.waited {
		t.Errorf("%d %s, waited: %t", status, answer, feed.waited)
	}
	for query, code := range map[string]string{
		"after=gone": "event_gone", "limit=0": "invalid_limit", "limit=10001": "invalid_limit", "limit=x": "invalid_limit",
		"wait=61": "invalid_parameter", "wait=-1": "invalid_parameter", "wait=1s": "invalid_parameter", "from=1": "unknown_parameter",
	} {
		if _, answer, _ := p.ask("GET", "/v1/events?"+query, ""); !strings.Contains(answer, `"code":"`+code+`"`) {
			t.Errorf("%s: %s", query, answer)
		}
	}
}

func TestReplayEvents(t *testing.T) {
	feed := &fakeFeed{}
	p := start(t, func(c *Config) { c.Feed = feed })
	if status, answer, _ := p.ask("POST", "/v1/events/replay?id=a&id=b", ""); status != 200 || answer != `{"replayed":1,"failed":2,"queued":3}` {
		t.Errorf("%d %s", status, answer)
	}
	if r := feed.replay; len(r.IDs) != 2 || r.IDs[1] != "b" || r.After != "" {
		t.Errorf("%+v", r)
	}
	if p.ask("POST", "/v1/events/replay?after=x", ""); feed.replay.After != "x" {
		t.Errorf("%+v", feed.replay)
	}
	for _, query := range []string{"", "after=x&dead=1", "id=a&after=x", "dead=0", "dead=yes", "all=1"} {
		if status, answer, _ := p.ask("POST", "/v1/events/replay?"+query, ""); status != 400 {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
}

func TestEventsAreOff(t *testing.T) {
	p := start(t, func(c *Config) { c.Feed = nil })
	p.refuses(404, "not_found", "GET", "/v1/events", "")
	p.refuses(404, "not_found", "GET", "/v1/events/dead", "")
	p.refuses(404, "not_found", "POST", "/v1/events/replay?dead=1", "")
}
