package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"castgate/internal/wstest"
)

const eventsSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// cloudEvent is what the tests read of an event.
type cloudEvent struct {
	ID, Type, Subject, Instance string
	Sequence                    int
	Data                        M
}

// eventBackend keeps what it is told of, as a backend with a database would: each
// event once, by its id.
type eventBackend struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	status int
	seen   map[string]bool
	events []cloudEvent
}

func newEventBackend(t *testing.T) *eventBackend {
	b := &eventBackend{t: t, status: 204, seen: map[string]bool{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL + "/castgate"
	return b
}

// ServeHTTP implements http.Handler.
func (b *eventBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway was killed
	}
	var events []cloudEvent
	if err := json.Unmarshal(body, &events); err != nil {
		b.t.Errorf("%v in %s", err, body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status == 204 {
		for _, e := range events {
			if !b.seen[e.ID] {
				b.seen[e.ID] = true
				b.events = append(b.events, e)
			}
		}
	}
	w.WriteHeader(b.status)
}

func (b *eventBackend) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

// of returns the events of a client, or of all with "".
func (b *eventBackend) of(client string) (events []cloudEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if client == "" || e.Subject == client {
			events = append(events, e)
		}
	}
	return events
}

// told returns the types of a client's events, as short as settings say them.
func (b *eventBackend) told(client string) string {
	var types []string
	for i, e := range b.of(client) {
		if e.Sequence != i+1 {
			b.t.Errorf("event %d of %s has sequence %d", i+1, client, e.Sequence)
		}
		types = append(types, strings.TrimPrefix(e.Type, "castgate.client."))
	}
	return strings.Join(types, " ")
}

func (b *eventBackend) await(client, types string) {
	b.t.Helper()
	wstest.Await(b.t, func() string {
		if got := b.told(client); got != types {
			return fmt.Sprintf("of %s was told %q, want %q", client, got, types)
		}
		return ""
	})
}

// TestEvents: a backend is told of connects, binds and ends; also of the end of
// those whose gateway was killed, by the next one; and nothing is told as lost
// after a stop in order.
func TestEvents(t *testing.T) {
	t.Parallel()
	b := newEventBackend(t)
	dir := filepath.Join(t.TempDir(), "events")
	g := wstest.Start(t, "--events-url", b.url, "--events-dir", dir, "--events-secret", eventsSecret, "--events-retry-max", "200ms", "--events-linger", "1ms")
	left := g.Dial(t)
	g.Bind(left.ID, "ann", "room")
	left.Close()
	b.await(left.ID, "connected bound disconnected")
	last := b.of(left.ID)[2].Data
	expectFields(t, last, M{"uid": "ann", "groups": "[room]", "reason": "peer_closed", "code": "1000", "last_of_uid": "true", "messages_in": "0"})

	// Killed: whoever was told of is told to have gone, also if the backend is away.
	lost := g.Dial(t)
	g.Bind(lost.ID, "bob")
	b.await(lost.ID, "connected bound")
	b.answer(503)
	late := g.Dial(t)
	g.AwaitMetric(`castgate_events_total{type="castgate.client.connected"}`, 3)
	g.Kill()
	g.Restart()
	b.answer(204)
	b.await(lost.ID, "connected bound disconnected")
	b.await(late.ID, "connected disconnected")
	expectFields(t, b.of(lost.ID)[2].Data, M{"uid": "bob", "reason": "gateway_lost"})

	stays := g.Dial(t)
	b.await(stays.ID, "connected")
	if code := g.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if types := b.told(stays.ID); types != "connected disconnected" {
		t.Errorf("when the stop was over, of %s was told %q", stays.ID, types)
	}
	g.Restart()
	expectFields(t, b.of(stays.ID)[1].Data, M{"reason": "shutdown", "code": "1001"})
	before := len(b.of(""))
	again := g.Dial(t)
	b.await(again.ID, "connected")
	if n := len(b.of("")); n != before+1 {
		t.Errorf("%d events after a stop in order and a start, want %d", n, before+1)
	}
	page := g.OK("GET", "/v1/events?limit=2", nil)
	if list := page["events"].([]any); len(list) != 2 || list[1].(M)["id"] != page["last"] {
		t.Errorf("%v", page)
	}
}

// TestForward: what a page sends reaches the backend, which answers by a push.
func TestForward(t *testing.T) {
	t.Parallel()
	b := newEventBackend(t)
	g := wstest.Start(t, "--events-url", b.url, "--on-message", "forward", "--events-linger", "0")
	c := g.Dial(t)
	g.Bind(c.ID, "ann")
	c.Send(`{"say":"hi"}`)
	b.await(c.ID, "connected bound message")
	e := b.of(c.ID)[2]
	expectFields(t, e.Data, M{"uid": "ann", "binary": "false", "text": `{"say":"hi"}`})
	g.Push(wstest.To("client_ids", e.Subject), "you said: "+e.Data["text"].(string))
	c.Expect(`you said: {"say":"hi"}`)
}

// TestEventsReload: URLs and secrets change without a restart; events are turned
// on and off by a restart only.
func TestEventsReload(t *testing.T) {
	t.Parallel()
	first, second := newEventBackend(t), newEventBackend(t)
	file := filepath.Join(t.TempDir(), "castgate.toml")
	config := func(url, more string) { write(t, file, "events-url = ['"+url+"']\nevents-linger = '0'\n"+more) }
	config(first.url, "")
	g := wstest.Start(t, "--config", file)
	c := g.Dial(t)
	first.await(c.ID, "connected")
	config(second.url, "events-secret = ['"+eventsSecret+"']\n")
	expectFields(t, g.OK("POST", "/v1/reload", nil), M{"changed": "[events-url events-secret]"})
	d := g.Dial(t)
	second.await(d.ID, "connected")
	if n := len(first.of(d.ID)); n > 0 {
		t.Error("the old URL was told of a new client")
	}
	for text, want := range map[string]string{
		"events-url = ['" + second.url + "']\nevents-linger = '0'\n": "--events-secret: the setting is missing now",
		"events-linger = '20ms'\n":                                   "--events-url: turning events on or off requires a restart",
		"events-url = ['ftp://x']\n":                                 "--events-url: URL 1 is neither",
	} {
		write(t, file, text)
		if status, answer := g.Control("POST", "/v1/reload", nil); status != 409 || !strings.Contains(fmt.Sprint(answer["detail"]), want) {
			t.Errorf("%q: %d %v, want %q", text, status, answer, want)
		}
	}
}

// TestEventsSettings: what is wrong with a setting of events is said at the start,
// in one line that names it.
func TestEventsSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	inUse := filepath.Join(dir, "used")
	g := wstest.Start(t, "--events-dir", inUse)
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--events-url", "example.com/events"}, "--events-url: URL 1 is not a URL"},
		{[]string{"--events-url", "http://u:geheim@x/"}, "--events-url: URL 1 has a user or password"},
		{[]string{"--events-url", "http://x/,http://x/"}, "--events-url: URL 2 is the same"},
		{[]string{"--events-url", "http://x/", "--events-secret", "geheim"}, "--events-secret: secret 1 does not begin with whsec_"},
		{[]string{"--events-url", "http://x/", "--events-secret", "whsec_geheim"}, "--events-secret: secret 1 is not whsec_ and base64"},
		{[]string{"--events-url", "http://x/", "--events", "connect"}, `--events: "connect" is not a type of event`},
		{[]string{"--events-url", "http://x/", "--events", "message"}, "--events: the type message needs on-message=forward"},
		{[]string{"--events-url", "http://x/", "--events-batch", "0"}, "--events-batch: 0 is not between"},
		{[]string{"--events-url", "http://x/", "--events-quota", "1KiB"}, "--events-quota: 1024 is not between"},
		{[]string{"--events-url", "http://x/", "--events-full", "drop"}, `--events-full: "drop" is neither`},
		{[]string{"--events-secret", eventsSecret}, "--events-secret: has no effect"},
		{[]string{"--on-message", "forward"}, "--on-message: forward needs somebody"},
		{[]string{"--events-dir", dir, "--on-message", "forward", "--gatewayworker-inner", "127.0.0.1:0"}, "--on-message: forward would take the messages"},
		{[]string{"--events-dir", file}, "--events-dir: "},
		{[]string{"--events-dir", filepath.Join(dir, "no", "parent")}, "--events-dir: "},
		{[]string{"--events-dir", inUse}, fmt.Sprintf("--events-dir: %s is in use by process %d", inUse, g.PID())},
		{[]string{"--events-dir", "/proc/castgate"}, "--events-dir: "}, // nobody may write there, root included
	} {
		cmd := wstest.Command(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}, tt.flags...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "geheim") {
			t.Errorf("%q: %v\n%s, want %q", tt.flags, err, out, tt.want)
		}
	}
}
