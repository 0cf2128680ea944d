package control

import (
	"bytes"
	"strconv"
	"time"

	"castgate/server/control/internal/wire"
)

// The limit on all replies of a batch together, in bytes: a multiple of
// MaxBody, and at least leastAnswer. Some replies are much larger than their
// commands.
const (
	answerFactor = 8
	leastAnswer  = 1 << 20
)

// batch serves POST /v1/batch: it executes commands in order and replies to
// each. A failed command does not stop the others. After RequestTimeout, each
// remaining command is answered 503 and not executed. NDJSON has one command
// and one reply per line.
func (c *call) batch() (err error) {
	body := c.http.Request.Body()
	lines := bytes.EqualFold(mediaType(c.http.Request.Header.ContentType()), []byte(ndjsonType))
	if lines {
		c.spans, err = wire.SplitLines(body, c.spans)
	} else {
		c.spans, err = c.command.SplitBatch(body, c.spans)
	}
	if err != nil {
		return err
	}
	defer c.wait()()
	b := batch{c, body}
	if lines {
		b.each(func() { c.out = append(c.out, '\n') })
		c.answer(ndjsonType)
		return nil
	}
	c.out = append(c.out, `{"replies":[`...)
	b.each(func() { c.out = append(c.out, ',') })
	if len(c.spans) > 0 {
		c.out = c.out[:len(c.out)-1]
	}
	c.out = append(c.out, "]}"...)
	c.answer(jsonType)
	return nil
}

// batch is a batch on its way through the port: the call that brought it, and its commands.
type batch struct {
	*call
	body []byte
}

// each appends the reply to each command, and calls after after it.
func (b *batch) each(after func()) {
	if b.server.cluster != nil {
		b.replies(func(one *call) {
			b.out = append(b.out, one.out...)
			after()
		})
		return
	}
	for _, s := range b.spans {
		b.enclose(func() error { return b.perform(b.body[s.Start:s.End]) })
		after()
	}
}

// perform executes one command if there is time left and the caller may.
func (b *batch) perform(command []byte) error {
	if err := b.timeLeft(); err != nil {
		return err
	}
	if err := b.command.Decode(command, nil); err != nil {
		return err
	}
	return b.execute()
}

// timeLeft is an error if a batch has no time, or no room for another answer.
func (b *batch) timeLeft() error {
	if deadline, ok := b.ctx.Deadline(); ok && !time.Now().Before(deadline) {
		b.server.late.Add(1)
		return wire.Faultf(codeDeadline, "not executed: the commands before it used up the %v of control-timeout", b.server.limits.Load().RequestTimeout)
	}
	if most := max(answerFactor*b.server.limits.Load().MaxBody, leastAnswer); len(b.out) > most {
		b.server.overlong.Add(1)
		return wire.Faultf(codeAnswerTooLarge, "not executed: the replies before it exceed the %d bytes allowed for a batch (see control-max-body)", most)
	}
	return nil
}

// execute executes a decoded command if the caller may.
func (c *call) execute() error {
	v := findVerb(c.command.Op)
	if c.caller.Scopes&v.scope != v.scope {
		err := c.allowed(v.scope, v.op.Name)
		c.refused(err)
		return err
	}
	return v.run(c)
}

// enclose appends {"status":200,"body":…} or {"status":…,"problem":…}; do appends the
// body of a command.
func (c *call) enclose(do func() error) {
	start := len(c.out)
	c.out = append(c.out, `{"status":200,"body":`...)
	if err := do(); err != nil {
		status, code, detail := problemOf(err)
		c.out = append(c.out[:start], `{"status":`...)
		c.out = strconv.AppendInt(c.out, int64(status), 10)
		c.out = appendProblem(append(c.out, `,"problem":`...), status, code, detail)
	}
	c.out = append(c.out, '}')
}
