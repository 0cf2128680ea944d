package bench

import (
	"fmt"
	"strings"
	"testing"

	"castgate/loadtest/payload"
)

// A push that did not reach exactly its client is noticed; one refused for lack
// of room is counted and not repeated.
func TestPusherLooksAtAnswers(t *testing.T) {
	for _, tt := range []struct {
		status         int
		body           string
		taken, refused int
		fault          string
	}{
		{200, pushedOnce, 1, 0, ""},
		{200, `{"matched":0,"queued":0,"dropped":0}`, 0, 0, "a push to loadtest-3 was answered"},
		{200, `{"matched":1,"queued":0,"dropped":1}`, 0, 0, `"dropped\":1`},
		{503, "busy", 0, 1, ""},
		{404, "gone", 0, 0, "404"},
	} {
		c, asked := answers(t, fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", tt.status, len(tt.body), tt.body), false)
		p := &pusher{caller: c, number: 3, clients: 1000, size: payload.MinSize, want: pushedOnce, answers: newAnswers()}
		err := p.single(0)
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %v", tt.body, err)
		}
		if p.taken != tt.taken || p.refused != tt.refused || int(p.answers.TotalCount()) != tt.taken {
			t.Errorf("%s: %d taken, %d refused", tt.body, p.taken, p.refused)
		}
		if got := <-asked; !strings.Contains(got, `{"to":{"uids":["loadtest-3"]},"text":"cg`) {
			t.Errorf("sent %q", got)
		}
	}
}

// In a batch every command has its own answer.
func TestPusherBatch(t *testing.T) {
	good := `{"status":200,"body":` + pushedOnce + `}`
	text := `{"replies":[` + good + `,{"status":503,"problem":{"code":"busy"}},` + good + `]}`
	c, asked := answers(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text), false)
	p := &pusher{caller: c, number: controlCallers - 1, clients: 3, size: payload.MinSize, want: pushedOnce, answers: newAnswers()}
	if err := p.many(0); err != nil || p.taken != 2 || p.refused != 1 {
		t.Errorf("%d taken, %d refused, %v", p.taken, p.refused, err)
	}
	got := <-asked
	for i := range 3 { // every client once
		if n := strings.Count(got, fmt.Sprintf(`{"op":"push","to":{"uids":["loadtest-%d"]},`, i)); n != 1 {
			t.Errorf("%d pushes to %d in %q", n, i, got)
		}
	}
}
