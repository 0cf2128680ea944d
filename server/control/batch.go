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
	if lines {
		c.each(body, func() { c.out = append(c.out, '\n') })
		c.answer(ndjsonType)
		return nil
	}
	c.out = append(c.out, `{"replies":[`...)
	c.each(body, func() { c.out = append(c.out, ',') })
	if len(c.spans) > 0 {
		c.out = c.out[:len(c.out)-1]
	}
	c.out = append(c.out, "]}"...)
	c.answer(jsonType)
	return nil
}

// each appends the reply to each command, and calls after after it.
func (c *call) each(body []byte, after func()) {
	if c.server.cluster != nil {
		c.replies(body, func(one *call) {
			c.out = append(c.out, one.out...)
			after()
		})
		return
	}
	for _, s := range c.spans {
		c.enclose(func() error { return c.perform(body[s.Start:s.End]) })
		after()
	}
}

// perform executes one command if there is time left and the caller may.
func (c *call) perform(command []byte) error {
	if err := c.timeLeft(); err != nil {
		return err
	}
	if err := c.command.Decode(command, nil); err != nil {
		return err
	}
	return c.execute()
}

// timeLeft is an error if a batch has no time, or no room for another answer.
func (c *call) timeLeft() error {
	if deadline, ok := c.ctx.Deadline(); ok && !time.Now().Before(deadline) {
		c.server.late.Add(1)
		return wire.Faultf(codeDeadline, "not executed: the commands before it used up the %v of control-timeout", c.server.limits.Load().RequestTimeout)
	}
	if most := max(answerFactor*c.server.limits.Load().MaxBody, leastAnswer); len(c.out) > most {
		c.server.overlong.Add(1)
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
