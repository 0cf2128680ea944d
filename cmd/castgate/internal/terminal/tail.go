// Package terminal has the commands that show what goes on in a gateway: tail and top.
package terminal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"castgate/cmd/castgate/internal/client"
	"castgate/cmd/castgate/internal/process"
)

// Views is the grammar of the commands that show what goes on.
type Views struct {
	Tail tailCommand `cmd:"" group:"verbs" help:"Print connects, binds, pushes and ends as they happen, from the admin page's port."`
	Top  topCommand  `cmd:"" group:"verbs" help:"Show the gateway's counters as they change."`
}

// tailCommand is `castgate tail`.
type tailCommand struct {
	client.AdminConnection
	UID     string `name:"uid" placeholder:"UID" help:"Only what concerns this uid."`
	Group   string `placeholder:"GROUP" help:"Only what concerns this group."`
	Address string `placeholder:"ADDRESS" help:"Only clients from this address or network."`
	JSON    bool   `name:"json" help:"Print JSON, one object per line."`
}

// Run prints what happens to clients, and pushes, until it is stopped or the gateway
// ends.
func (c *tailCommand) Run(p *process.Process) error {
	cl, err := c.Open(p)
	if err != nil {
		return err
	}
	q := url.Values{}
	for name, value := range map[string]string{"uid": c.UID, "group": c.Group, "address": c.Address} {
		if value != "" {
			q.Set(name, value)
		}
	}
	resp, err := cl.Send(client.Request{Method: http.MethodGet, Path: "/api/tail?" + q.Encode()})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err = c.print(p, resp.Body, tailSilence); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("the gateway at %s has gone: its connection broke without an end (%w)", resp.Request.URL.Host, err)
	}
	if errors.Is(err, errSilent) {
		return fmt.Errorf("the gateway at %s says nothing any more, not even that it lives, for %v: it hangs, or the network between is cut", resp.Request.URL.Host, tailSilence)
	}
	return cl.Explained(err)
}

// tailSilence is how long a tail may say nothing: the port tells every 10 seconds that it
// lives.
const tailSilence = 25 * time.Second

// errSilent is that nothing came for too long.
var errSilent = errors.New("nothing comes any more")

// happened is what the port tells. Its fields are those of the page.
type happened struct {
	At        int64    `json:"at"`
	Kind      string   `json:"kind"`
	ClientID  string   `json:"client_id"`
	UID       string   `json:"uid"`
	Previous  string   `json:"previous_uid"`
	Remote    string   `json:"remote_addr"`
	UserAgent string   `json:"user_agent"`
	End       *endLine `json:"end"`
	To        struct {
		ClientIDs []string `json:"client_ids"`
		UIDs      []string `json:"uids"`
		Groups    []string `json:"groups"`
		All       bool     `json:"all"`
	} `json:"to"`
	Names   int `json:"names"`
	Matched int `json:"matched"`
	Bytes   int `json:"bytes"`
}

type endLine struct {
	Reason       string `json:"reason"`
	Code         int    `json:"code"`
	QueuedBytes  int    `json:"queued_bytes"`
	QueuedFrames int    `json:"queued_frames"`
}

// tailLine is the longest line of the port, in bytes.
const tailLine = 4 << 20

// print prints what comes. The end of the stream is an error, since only the gateway
// ends it. A stream that is silent for too long is closed.
func (c *tailCommand) print(p *process.Process, from io.ReadCloser, silence time.Duration) error {
	var silent atomic.Bool
	watch := time.AfterFunc(silence, func() {
		silent.Store(true)
		_ = from.Close()
	})
	defer watch.Stop()
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, tailLine)
	told := uint64(0) // of those that were dropped
	for lines.Scan() {
		watch.Stop() // writing may take its time
		var b struct {
			Events  []json.RawMessage `json:"events"`
			Dropped uint64            `json:"dropped"`
		}
		if err := json.Unmarshal(lines.Bytes(), &b); err != nil {
			return fmt.Errorf("the admin page's answer is not JSON: %w", err)
		}
		var out bytes.Buffer
		for _, text := range b.Events {
			if c.JSON {
				out.Write(append(text, '\n'))
				continue
			}
			var h happened
			if err := json.Unmarshal(text, &h); err != nil {
				return err
			}
			out.WriteString(h.line() + "\n")
		}
		if _, err := out.WriteTo(p.Stdout); err != nil {
			return err
		}
		if b.Dropped > told {
			fmt.Fprintf(p.Stderr, "castgate: %d more were dropped: more happened than could be shown\n", b.Dropped-told)
			told = b.Dropped
		}
		watch.Reset(silence)
	}
	if silent.Load() {
		return errSilent
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("the gateway has ended the tail")
}

// line is a happening for people: time, what, and of whom.
func (h *happened) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-7s", time.UnixMilli(h.At).Format("15:04:05.000"), h.Kind)
	field := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + "=" + word(value))
		}
	}
	if h.Kind == "push" {
		if h.To.All {
			b.WriteString(" all")
		}
		for _, l := range []struct {
			name  string
			names []string
		}{{"client", h.To.ClientIDs}, {"uid", h.To.UIDs}, {"group", h.To.Groups}} {
			for _, name := range l.names {
				field(l.name, name)
			}
		}
		if more := h.Names - len(h.To.ClientIDs) - len(h.To.UIDs) - len(h.To.Groups); more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
		fmt.Fprintf(&b, " matched=%d bytes=%d", h.Matched, h.Bytes)
		return b.String()
	}
	field("client", h.ClientID)
	field("uid", h.UID)
	field("before", h.Previous)
	field("from", h.Remote)
	if h.End != nil {
		fmt.Fprintf(&b, " reason=%s code=%d", h.End.Reason, h.End.Code)
		if h.End.QueuedFrames > 0 {
			fmt.Fprintf(&b, " queued_frames=%d queued_bytes=%d", h.End.QueuedFrames, h.End.QueuedBytes)
		}
	}
	field("agent", h.UserAgent)
	return b.String()
}

// word is a name as one word: quoted if something in it would end the word or cannot be
// seen.
func word(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsGraphic(r) }) {
		return fmt.Sprintf("%+q", name)
	}
	return name
}
