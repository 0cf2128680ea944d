package events

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/events/internal/post"
	"castgate/server/events/internal/sign"
	"castgate/server/gateway"
	"castgate/server/setting"
)

// HookConfig is what NewHook is told.
type HookConfig struct {
	HookTarget
	// Timeout is for one answer; a connection waits for at most twice as long.
	Timeout time.Duration
	// Requests is how many are asked about at once.
	Requests int
	// FailOpen lets clients in of which nobody has decided.
	FailOpen  bool
	Transport http.RoundTripper // for tests; nil is one of ours
	Log       *slog.Logger
}

// HookTarget is the part of HookConfig that can be changed while it is asked.
type HookTarget struct {
	URL string
	// Secrets sign the questions; see Targets.
	Secrets []string
}

// severalURLs matches a list of URLs, which would else be one with an odd path or host.
var severalURLs = regexp.MustCompile(`(?i),\s*https?://|^https?://[^/?#]*,`)

// read checks a target and parses its secrets.
func (t *HookTarget) read() (secrets []sign.Secret, err error) {
	if severalURLs.MatchString(t.URL) {
		return nil, setting.Errorf("connect-url", "it is more than one URL; one backend decides")
	}
	if why := CheckURL(t.URL); why != "" {
		return nil, setting.Errorf("connect-url", "it %s", why)
	}
	return readSecrets(t.Secrets)
}

// Validate reports the first setting that is wrong.
func (c *HookConfig) Validate() error {
	if _, err := c.read(); err != nil {
		return err
	}
	if c.Timeout < leastTime || c.Timeout > time.Minute {
		return setting.Errorf("connect-timeout", "%v is not between %v and %v", c.Timeout, leastTime, time.Minute)
	}
	if c.Requests < 1 || c.Requests > 1024 {
		return setting.Errorf("connect-requests", "%d is not between 1 and 1024", c.Requests)
	}
	return nil
}

// Bounds of what a hook may answer, and of what waits for it.
const (
	mostAnswer     = 64 << 10
	mostHookGroups = 1000
	mostHeaders    = 4 << 10 // bytes
	mostRefusal    = 4 << 10
	mostAsked      = 4096
	mostAskedBytes = 32 << 20
)

// Hook asks a backend before a connection becomes a client. It implements
// gateway.ConnectHook. Nothing is cached.
type Hook struct {
	config HookConfig
	log    *slog.Logger
	asks   atomic.Pointer[asker]

	results [numHookResults]atomic.Uint64
	latency latencies
	failing atomic.Bool   // the last answer was none
	unasked atomic.Uint64 // clients that nobody was asked about, since the queue was last empty

	mu      sync.Mutex
	waiting []asked
	bytes   int
	running int
}

// asker is who is asked, and how.
type asker struct {
	client  post.Client
	secrets []sign.Secret
}

// asked is a request that waits to be asked about.
type asked struct {
	body  []byte
	since time.Time
	done  func(gateway.ConnectVerdict)
	gone  *atomic.Bool // see gateway.ConnectQuery
}

// The results of asking.
const (
	hookAccepted = iota
	hookRefused
	hookFailed // no answer, or one that is none
	hookBusy   // too many waited
	hookLate   // it has waited too long to be asked about
	hookGone   // it has gone before anybody was asked
	numHookResults
)

var hookResults = [numHookResults]string{"accepted", "refused", "failed", "busy", "late", "gone"}

var _ gateway.ConnectHook = (*Hook)(nil)

// NewHook makes a Hook. An error is a *setting.Error.
func NewHook(c HookConfig) (*Hook, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &Hook{config: c, log: c.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, h.SetTarget(c.HookTarget)
}

// SetTarget has another backend asked, or with other secrets, from the next
// question on. Who is being asked already may still answer. An error, which is a
// *setting.Error, has changed nothing. Any goroutine.
func (h *Hook) SetTarget(t HookTarget) error {
	secrets, err := t.read()
	if err != nil {
		return err
	}
	before := h.asks.Load()
	next := &asker{client: post.Client{URL: t.URL, Transport: h.config.Transport}, secrets: secrets}
	switch {
	case before != nil && before.client.URL == t.URL:
		next.client.Transport = before.client.Transport
	case next.client.Transport == nil:
		next.client.Transport = post.NewTransport(h.config.Requests, h.config.Timeout)
	}
	h.asks.Store(next)
	if before == nil || before.client.Transport == next.client.Transport {
		return nil
	}
	if t, ok := before.client.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// Busy implements gateway.ConnectHook.
func (h *Hook) Busy() gateway.ConnectVerdict { return h.passOver(hookBusy) }

// passOver is what becomes of a client that nobody was asked about. The log has a line
// for the first of many, and one with their number once nobody waits any more.
func (h *Hook) passOver(result int) gateway.ConnectVerdict {
	h.results[result].Add(1)
	if h.unasked.Add(1) == 1 {
		h.log.Warn("connect-url does not decide about clients", "url", shown(h.asks.Load().client.URL), "err", passedOver[result], "let_in", h.config.FailOpen)
	}
	return h.undecided()
}

// passedOver says in the log why nobody was asked.
var passedOver = map[int]string{
	hookBusy: "too many clients wait to be asked about; its answers must be faster, or connect-requests higher",
	hookLate: "clients have waited for longer than connect-timeout to be asked about; its answers must be faster, or connect-requests higher",
}

// undecided is what becomes of a client that nobody has decided on.
func (h *Hook) undecided() (v gateway.ConnectVerdict) {
	if !h.config.FailOpen {
		v.Status = http.StatusServiceUnavailable
	}
	return v
}

// Ask implements gateway.ConnectHook.
func (h *Hook) Ask(q *gateway.ConnectQuery, done func(gateway.ConnectVerdict)) bool {
	if !h.room(len(q.Head)) {
		return false
	}
	body := encodeQuery(q)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = append(h.waiting, asked{body, time.Now(), done, q.Gone})
	h.bytes += len(body)
	if h.running < h.config.Requests {
		h.running++
		go h.work()
	}
	return true
}

// room tells whether one more may wait.
func (h *Hook) room(size int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting) < mostAsked && h.bytes+size <= mostAskedBytes
}

// work asks until nothing waits.
func (h *Hook) work() {
	for {
		h.mu.Lock()
		if len(h.waiting) == 0 {
			h.waiting = nil
			h.running--
			last := h.running == 0
			h.mu.Unlock()
			if last {
				h.caughtUp()
			}
			return
		}
		a := h.waiting[0]
		h.waiting[0] = asked{}
		h.waiting = h.waiting[1:]
		h.bytes -= len(a.body)
		h.mu.Unlock()
		a.done(h.decide(&a))
	}
}

// caughtUp says how many were passed over, now that nobody waits.
func (h *Hook) caughtUp() {
	if n := h.unasked.Swap(0); n > 0 {
		h.log.Info("connect-url is asked about all clients again", "url", shown(h.asks.Load().client.URL), "not_asked", n)
	}
}

// decide asks about one request.
func (h *Hook) decide(a *asked) gateway.ConnectVerdict {
	if a.gone != nil && a.gone.Load() {
		h.results[hookGone].Add(1)
		return h.undecided() // which nobody hears
	}
	if time.Since(a.since) > h.config.Timeout {
		return h.passOver(hookLate)
	}
	var random [12]byte
	_, _ = rand.Read(random[:])
	to, began := h.asks.Load(), time.Now()
	r := to.client.Do(context.Background(), &post.Request{
		ID: "connect-" + hex.EncodeToString(random[:]), ContentType: "application/json", Body: a.body,
		Secrets: to.secrets, Timeout: h.config.Timeout, Now: time.Now(), Answer: mostAnswer,
	})
	h.latency.observe(time.Since(began))
	v, err := h.verdict(&r)
	switch {
	case err != nil:
		h.results[hookFailed].Add(1)
		if !h.failing.Swap(true) {
			h.log.Warn("connect-url does not decide about clients", "url", shown(to.client.URL), "err", err, "let_in", h.config.FailOpen)
		}
		return h.undecided()
	case v.Status != 0:
		h.results[hookRefused].Add(1)
	default:
		h.results[hookAccepted].Add(1)
	}
	if h.failing.Swap(false) {
		h.log.Info("connect-url decides about clients again", "url", shown(to.client.URL))
	}
	return v
}

// encodeQuery makes the body of a question.
func encodeQuery(q *gateway.ConnectQuery) []byte {
	line, rest, _ := bytes.Cut(q.Head, []byte("\r\n"))
	_, target, _ := bytes.Cut(line, []byte{' '})
	target, _, _ = bytes.Cut(target, []byte{' '})
	path, query, _ := bytes.Cut(target, []byte{'?'})
	e := encoder{b: []byte{'{'}}
	e.text(`"remote_addr":`, q.Remote.String())
	e.text(`"path":`, string(path))
	e.text(`"query":`, string(query))
	e.nullable(`"uid":`, q.UID)
	e.list(`"groups":`, q.Groups)
	e.b = append(e.b, `"headers":{`...)
	headers := map[string]string{}
	var names []string
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		lower := strings.ToLower(string(name))
		before, again := headers[lower]
		if headers[lower] = string(bytes.TrimSpace(value)); again {
			headers[lower] = before + ", " + headers[lower]
			continue
		}
		names = append(names, lower)
	}
	for _, name := range names {
		e.b = append(appendText(e.b, name), ':')
		e.text("", headers[name])
	}
	if e.b[len(e.b)-1] == ',' {
		e.b = e.b[:len(e.b)-1]
	}
	return append(e.b, "}}"...)
}
