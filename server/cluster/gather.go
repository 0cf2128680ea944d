package cluster

import (
	"fmt"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// replies calls do with each last answer.
func (c *call) replies(do func(q *question)) {
	for i := range c.asked {
		if c.asked[i].state == answered {
			do(&c.asked[i])
		}
	}
}

// refusal tells whether a node has not done what was asked, so that the answer lacks it.
// All errors say so but those that are the answer: they are passed on.
func refusal(r *message.Reply) bool {
	switch gateway.Code(r.Code) {
	case "", gateway.CodeUnknownClient, gateway.CodeTooManyGroups, gateway.CodeInvalidSession, gateway.CodeSessionTooLarge,
		gateway.CodeInvalidCursor, codeNoEvents:
		return false
	}
	return true
}

// sum adds up the i-th numbers of the answers.
func (c *call) sum(i int) (sum int) {
	c.replies(func(q *question) {
		if q.reply.Code == "" {
			sum += number(&q.reply, i)
		}
	})
	return sum
}

// giveUp ends a call that nobody waits for any more; c may be nil.
func (n *caller) giveUp(c *call) {
	if c == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.abandon(c)
}

// failureOr is the failure of a call, or else another error.
func (c *call) failureOr(err error) error {
	if failure := c.failure(); failure != nil {
		return failure
	}
	return err
}

// failure is the first error that a member has answered, nil if there is none.
func (c *call) failure() error {
	for i := range c.asked {
		if q := &c.asked[i]; q.state == answered && q.reply.Code != "" && !refusal(&q.reply) {
			return &gateway.Error{Code: gateway.Code(q.reply.Code), Detail: q.reply.Detail}
		}
	}
	return nil
}

// incomplete is the *gateway.Incomplete of a call that is done, nil if its answer is
// complete.
func (c *call) incomplete() error {
	if c.lacking.none() {
		return nil
	}
	return &gateway.Incomplete{Unreachable: c.lacking.nodes}
}

// unknownClient is the error for a client that nobody has.
func unknownClient(id string) error {
	return &gateway.Error{Code: gateway.CodeUnknownClient, Detail: fmt.Sprintf("no client %.64q is connected", id)}
}

// number is the i-th number of an answer, 0 if there are fewer.
func number(r *message.Reply, i int) int {
	if i < len(r.Numbers) {
		return int(r.Numbers[i])
	}
	return 0
}
