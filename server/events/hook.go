package events

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"castgate/server/events/internal/post"
	"castgate/server/events/internal/sign"
	"castgate/server/gateway"
	"castgate/server/setting"
)

// HookConfig is what NewHook is told.
type HookConfig struct {
	URL     string
	Secrets []string
	// Timeout is for one answer; a connection waits for at most twice as long.
	Timeout time.Duration
	// Requests is how many are asked about at once.
	Requests int
	// FailOpen lets clients in of which nobody has decided.
	FailOpen  bool
	Transport http.RoundTripper // for tests; nil is one of ours
	Log       *slog.Logger
}

// Validate reports the first setting that is wrong.
func (c *HookConfig) Validate() error {
	if why := CheckURL(c.URL); why != "" {
		return setting.Errorf("connect-url", "it %s", why)
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
	config  HookConfig
	client  post.Client
	secrets []sign.Secret
	log     *slog.Logger

	results [numHookResults]atomic.Uint64
	latency latencies
	failing atomic.Bool // the last answer was none

	mu      sync.Mutex
	waiting []asked
	bytes   int
	running int
}

// asked is a request that waits to be asked about.
type asked struct {
	body  []byte
	since time.Time
	done  func(gateway.ConnectVerdict)
}

// The results of asking.
const (
	hookAccepted = iota
	hookRefused
	hookFailed // no answer, or one that is none
	hookBusy   // too many waited
	hookLate   // it has waited too long to be asked about
	numHookResults
)

var hookResults = [numHookResults]string{"accepted", "refused", "failed", "busy", "late"}

var _ gateway.ConnectHook = (*Hook)(nil)

// NewHook makes a Hook. An error is a *setting.Error.
func NewHook(c HookConfig) (*Hook, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	h := &Hook{config: c, log: c.Log, client: post.Client{URL: c.URL, Transport: c.Transport}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.client.Transport == nil {
		h.client.Transport = post.NewTransport(c.Requests, c.Timeout)
	}
	for _, text := range c.Secrets {
		s, err := sign.ParseSecret(text)
		if err != nil {
			return nil, setting.Named("events-secret", err)
		}
		h.secrets = append(h.secrets, s)
	}
	return h, nil
}

// Busy implements gateway.ConnectHook.
func (h *Hook) Busy() gateway.ConnectVerdict {
	h.results[hookBusy].Add(1)
	return h.undecided()
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
	h.waiting = append(h.waiting, asked{body, time.Now(), done})
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
			h.mu.Unlock()
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

// decide asks about one request.
func (h *Hook) decide(a *asked) gateway.ConnectVerdict {
	if time.Since(a.since) > h.config.Timeout {
		h.results[hookLate].Add(1)
		return h.undecided()
	}
	var random [12]byte
	_, _ = rand.Read(random[:])
	began := time.Now()
	r := h.client.Do(context.Background(), &post.Request{
		ID: "connect-" + hex.EncodeToString(random[:]), ContentType: "application/json", Body: a.body,
		Secrets: h.secrets, Timeout: h.config.Timeout, Now: time.Now(), Answer: mostAnswer,
	})
	h.latency.observe(time.Since(began))
	v, err := h.verdict(&r)
	switch {
	case err != nil:
		h.results[hookFailed].Add(1)
		if !h.failing.Swap(true) {
			h.log.Warn("connect-url does not decide about clients", "url", shown(h.config.URL), "err", err, "let_in", h.config.FailOpen)
		}
		return h.undecided()
	case v.Status != 0:
		h.results[hookRefused].Add(1)
	default:
		h.results[hookAccepted].Add(1)
	}
	if h.failing.Swap(false) {
		h.log.Info("connect-url decides about clients again", "url", shown(h.config.URL))
	}
	return v
}

// verdict reads an answer.
func (h *Hook) verdict(r *post.Result) (v gateway.ConnectVerdict, err error) {
	switch {
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		if len(r.Body) > mostRefusal {
			return v, fmt.Errorf("the body of a refusal has more than %d bytes", mostRefusal)
		}
		return gateway.ConnectVerdict{Status: r.Status, Body: r.Body, ContentType: printable(r.ContentType)}, nil
	case r.Outcome != post.Accepted:
		return v, r.Err
	case len(bytes.TrimSpace(r.Body)) == 0:
		return v, nil
	}
	var a struct {
		UID     *string           `json:"uid"`
		Groups  []string          `json:"groups"`
		Session json.RawMessage   `json:"session"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return v, errors.New("the answer is not an object with uid, groups, session and headers")
	}
	if a.UID != nil {
		if v.UID = *a.UID; !isName(v.UID) {
			return v, fmt.Errorf("the uid in the answer is not a name of 1 to %d bytes", gateway.MaxNameLen)
		}
	}
	if len(a.Groups) > mostHookGroups {
		return v, fmt.Errorf("the answer has %d groups, more than %d", len(a.Groups), mostHookGroups)
	}
	if i := slices.IndexFunc(a.Groups, func(g string) bool { return !isName(g) }); i >= 0 {
		return v, fmt.Errorf("group %d in the answer is not a name of 1 to %d bytes", i+1, gateway.MaxNameLen)
	}
	v.Groups = a.Groups
	if v.Session, err = firstSession(a.Session); err != nil {
		return v, err
	}
	v.Headers, err = headerLines(a.Headers)
	return v, err
}

func isName(s string) bool { return s != "" && len(s) <= gateway.MaxNameLen && utf8.ValidString(s) }

// firstSession checks a session, and takes its white space out.
func firstSession(text json.RawMessage) (json.RawMessage, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	if text[0] != '{' {
		return nil, errors.New("the session in the answer is not an object")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	if b.Len() > gateway.MaxSessionLen {
		return nil, fmt.Errorf("the session in the answer has %d bytes, more than %d", b.Len(), gateway.MaxSessionLen)
	}
	return b.Bytes(), nil
}

// ownHeaders are those that belong to the handshake; with sec-websocket- before the
// name, all do.
var ownHeaders = []string{"connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "te", "trailer"}

// headerLines makes lines of headers for the 101, such as Set-Cookie.
func headerLines(headers map[string]string) (string, error) {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	lines := ""
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notToken):
			return "", fmt.Errorf("%.64q in the answer is not the name of a header", name)
		case slices.Contains(ownHeaders, lower), strings.HasPrefix(lower, "sec-websocket-"):
			return "", fmt.Errorf("the header %.64s in the answer belongs to the handshake", name)
		case printable(headers[name]) != headers[name]:
			return "", fmt.Errorf("the header %.64s in the answer has a character that is not printable ASCII", name)
		}
		lines += name + ": " + headers[name] + "\r\n"
	}
	if len(lines) > mostHeaders {
		return "", fmt.Errorf("the headers in the answer have %d bytes, more than %d", len(lines), mostHeaders)
	}
	return lines, nil
}

// notToken tells what may not be in the name of a header (RFC 9110 section 5.6.2).
func notToken(c rune) bool {
	return (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// printable is text if all of it is printable ASCII, and else "".
func printable(text string) string {
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return text
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
