package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// commands are the body of a batch.
type commands struct {
	body []byte
	n    int
}

// reset begins an empty batch.
func (b *commands) reset() { b.body, b.n = append(b.body[:0], `{"commands":[`...), 0 }

// next prepares for one more command, which the caller appends to b.body.
func (b *commands) next() {
	if b.n > 0 {
		b.body = append(b.body, ',')
	}
	b.n++
}

// batch sends commands. Every reply must have status 200 with exactly this
// body, or 503: it then returns which were refused, nil if none.
func (c *caller) batch(b *commands, body string) (refused []bool, err error) {
	b.body = append(b.body, "]}"...)
	answer, err := c.post("/v1/batch", b.body)
	if err != nil {
		return nil, err
	}
	const open, closed = `{"replies":[`, "]}"
	want := []byte(`{"status":200,"body":` + body + "}")
	// Almost always all replies are equal: length and number show it.
	if len(answer) == len(open)+b.n*(len(want)+1)-1+len(closed) && bytes.Count(answer, want) == b.n {
		return nil, nil
	}
	var replies struct {
		Replies []struct {
			Status int             `json:"status"`
			Body   json.RawMessage `json:"body"`
			Why    json.RawMessage `json:"problem"`
		} `json:"replies"`
	}
	if err := json.Unmarshal(answer, &replies); err != nil {
		return nil, fmt.Errorf("replies to a batch: %w", err)
	}
	if len(replies.Replies) != b.n {
		return nil, fmt.Errorf("%d replies to %d commands", len(replies.Replies), b.n)
	}
	refused = make([]bool, b.n)
	for i, r := range replies.Replies {
		switch {
		case r.Status == 503:
			refused[i] = true
		case r.Status != 200 || string(r.Body) != body:
			return nil, fmt.Errorf("reply %d of a batch: status %d, body %.80q instead of %q; %.200s", i, r.Status, r.Body, body, r.Why)
		}
	}
	return refused, nil
}
