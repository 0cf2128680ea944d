package castgate

import (
	"context"
	"encoding/json"
	"net/http"
)

// Batch collects commands and sends them in few requests, in order. Commands that
// fail stop no others. Only one goroutine may use a batch at a time.
type Batch struct {
	client   *Client
	commands []command
}

// Reply is the outcome of one command of a batch.
type Reply struct {
	// Body is the answer in JSON, nil if Err is not.
	Body json.RawMessage
	// Err is nil or an *Error.
	Err error
}

// Decode decodes the body, or returns Err.
func (r Reply) Decode(answer any) error {
	if r.Err != nil {
		return r.Err
	}
	if err := json.Unmarshal(r.Body, answer); err != nil {
		return malformed(http.StatusOK, err)
	}
	return nil
}

// Batch begins a batch.
func (c *Client) Batch() *Batch { return &Batch{client: c} }

func (b *Batch) add(c command) { b.commands = append(b.commands, c) }

// Len is the number of commands that Send will send.
func (b *Batch) Len() int { return len(b.commands) }

// Bind is Client.Bind.
func (b *Batch) Bind(clientID, uid string, groups ...string) {
	b.add(bindCommand(clientID, uid, groups, false))
}

// BindExclusive is Client.BindExclusive.
func (b *Batch) BindExclusive(clientID, uid string, groups ...string) {
	b.add(bindCommand(clientID, uid, groups, true))
}

// Unbind is Client.Unbind.
func (b *Batch) Unbind(clientID string) { b.add(newCommand("unbind", "client_id", clientID)) }

// UnbindUIDs is Client.UnbindUIDs.
func (b *Batch) UnbindUIDs(uids ...string) { b.add(newCommand("unbind", "uids", named(uids))) }

// Join is Client.Join.
func (b *Batch) Join(groups []string, m Members) { b.add(membershipCommand("join", groups, m)) }

// Leave is Client.Leave.
func (b *Batch) Leave(groups []string, m Members) { b.add(membershipCommand("leave", groups, m)) }

// Ungroup is Client.Ungroup.
func (b *Batch) Ungroup(groups ...string) { b.add(newCommand("ungroup", "groups", named(groups))) }

// Push is Client.Push.
func (b *Batch) Push(to Targets, m Message, options ...PushOption) {
	b.add(pushCommand(to, m, options))
}

// Kick is Client.Kick.
func (b *Batch) Kick(to Targets, k Kick) { b.add(kickCommand(to, k)) }

// Online is Client.Online.
func (b *Batch) Online(m Members) { b.add(onlineCommand(m)) }

// Counts is Client.Counts.
func (b *Batch) Counts(groups, uids []string) { b.add(countsCommand(groups, uids)) }

// PutSession is Client.PutSession.
func (b *Batch) PutSession(clientID string, session any) {
	b.add(newCommand("put_session", "client_id", clientID, "session", session))
}

// PatchSession is Client.PatchSession.
func (b *Batch) PatchSession(clientID string, patch any) {
	b.add(newCommand("patch_session", "client_id", clientID, "session", patch))
}

// Send sends the commands and empties the batch. There is a reply for each command,
// in order. If a request fails, Send returns its error and the replies so far; the
// commands from there on were not executed, except perhaps, if the error is Sent,
// those of the request that failed.
func (b *Batch) Send(ctx context.Context) ([]Reply, error) {
	commands := b.commands
	b.commands = nil
	replies := make([]Reply, 0, len(commands))
	var lines []byte
	first := 0
	for i, c := range commands {
		c.body["op"] = c.op
		line, err := encode(c.body)
		delete(c.body, "op")
		if err != nil {
			return replies, err
		}
		o := b.client.options
		if i > first && (i-first >= o.MaxCommands || len(lines)+len(line)+1 > o.MaxBody) {
			if replies, err = b.client.send(ctx, lines, commands[first:i], replies); err != nil {
				return replies, err
			}
			lines, first = lines[:0], i
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return replies, nil
	}
	return b.client.send(ctx, lines, commands[first:], replies)
}

// send makes one request and appends its replies.
func (c *Client) send(ctx context.Context, lines []byte, commands []command, replies []Reply) ([]Reply, error) {
	safe := true
	for _, cmd := range commands {
		safe = safe && cmd.safe()
	}
	in, err := c.open(ctx, call{method: http.MethodPost, path: "/v1/batch", contentType: linesType, body: lines, lines: true, safe: safe})
	if err != nil {
		return replies, err
	}
	defer in.Close()
	done := 0
	scanner := in.scanner()
	for ; scanner.Scan(); done++ {
		reply, err := parseReply(scanner.Bytes())
		if err != nil || done == len(commands) {
			return replies, malformed(http.StatusOK, err)
		}
		replies = append(replies, reply)
	}
	if err := scanner.Err(); err != nil {
		return replies, c.broken(ctx, err, in.limit, true)
	}
	if done != len(commands) {
		return replies, malformed(http.StatusOK, nil)
	}
	return replies, nil
}

func parseReply(line []byte) (Reply, error) {
	var answer struct {
		Status  int
		Body    json.RawMessage
		Problem *Problem
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return Reply{}, err
	}
	if answer.Status == http.StatusOK {
		return Reply{Body: answer.Body}, nil
	}
	if answer.Problem == nil {
		return Reply{}, &Error{Code: CodeMalformed, Detail: "a reply without its problem"}
	}
	return Reply{Err: &Error{Code: answer.Problem.Code, Status: answer.Status, Detail: answer.Problem.Detail}}, nil
}
