package stress

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"castgate/internal/wstest"
)

// numbered is the message with number i, at least size bytes long.
func numbered(i, size int) string {
	text := fmt.Sprintf("%08d|", i)
	return text + strings.Repeat("x", max(0, size-len(text)))
}

// numberOf is the number of such a message, -1 for any other.
func numberOf(text string) int {
	digits, _, ok := strings.Cut(text, "|")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return -1
	}
	return n
}

// run checks that a client's numbers are consecutive, so that nothing between its
// first and its last was lost or repeated.
func (t *Trial) run(who string, got []int) {
	for i := range got {
		if i > 0 {
			t.Check(got[i] == got[i-1]+1, "%s has %d after %d", who, got[i], got[i-1])
		}
	}
}

// all checks that a client has the numbers 0 to n-1, each once.
func (t *Trial) all(who string, got []int, n int) {
	t.Equal(who+": messages", len(got), n)
	t.Check(len(got) == 0 || got[0] == 0, "%s begins with %v", who, got[:min(1, len(got))])
	t.run(who, got)
}

// numbersOf returns the numbers of a client's messages so far.
func numbersOf(c *wstest.Client) []int {
	log := c.Messages()
	numbers := make([]int, len(log))
	for i, m := range log {
		numbers[i] = numberOf(m.Data)
	}
	return numbers
}

// readRest reads a raw connection until it has want messages or the connection
// ends. It returns their numbers and the code of the close frame, 0 if there was
// none.
func readRest(r *wstest.Raw, want int) (numbers []int, code int) {
	for len(numbers) < want {
		op, payload, err := r.Frame()
		switch {
		case err != nil:
			return numbers, code
		case op == wstest.OpText:
			head, _, _ := bytes.Cut(payload[:min(len(payload), 16)], []byte("|"))
			numbers = append(numbers, numberOf(string(head)+"|"))
		case op == wstest.OpClose && len(payload) >= 2:
			code = int(payload[0])<<8 | int(payload[1])
		}
	}
	return numbers, code
}
