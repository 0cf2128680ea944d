package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"castgate/loadtest/control"
)

// caller sends requests to a control port over one persistent connection, each
// after the answer to the previous one. net/http costs more than the servers
// that it would measure here; a caller writes a prepared request with one
// system call and parses only what it needs of the answer. It may be used by
// one goroutine.
type caller struct {
	conn net.Conn
	host string
	out  []byte
	in   []byte // input so far; empty between two requests
}

// maxAnswerHead and maxAnswerBody limit an answer in bytes.
const (
	maxAnswerHead = 8 << 10
	maxAnswerBody = 4 << 20
)

func dialCaller(ctx context.Context, addr string) (*caller, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("control port: %w", err)
	}
	return &caller{conn: conn, host: addr, in: make([]byte, 0, 4<<10)}, nil
}

// dialCallers makes n callers; closeAll closes them.
func dialCallers(ctx context.Context, addr string, n int) (all []*caller, closeAll func(), err error) {
	closeAll = func() {
		for _, c := range all {
			c.conn.Close()
		}
	}
	for range n {
		c, err := dialCaller(ctx, addr)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, closeAll, nil
}

// allow limits all requests from now on to this time together.
func (c *caller) allow(d time.Duration) error { return c.conn.SetDeadline(time.Now().Add(d)) }

// post sends a JSON body and returns that of an answer with status 200, which
// is valid until the next call. Any other status is a *loadtest.RefusedError;
// after any other error the connection must not be used.
func (c *caller) post(path string, body []byte) ([]byte, error) {
	c.out = append(append(append(c.out[:0], "POST "...), path...), " HTTP/1.1\r\nHost: "...)
	c.out = append(append(c.out, c.host...), "\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, fmt.Errorf("control port: %w", err)
	}
	return c.answer()
}

var headEnd = []byte("\r\n\r\n")

// answer reads one answer.
func (c *caller) answer() ([]byte, error) {
	c.in = c.in[:0]
	end := -1
	for end < 0 {
		from := max(0, len(c.in)-len(headEnd)+1)
		if err := c.read(); err != nil {
			return nil, err
		}
		if end = bytes.Index(c.in[from:], headEnd); end >= 0 {
			end += from + len(headEnd)
		} else if len(c.in) > maxAnswerHead {
			return nil, fmt.Errorf("control port: no end of the head after %d bytes", len(c.in))
		}
	}
	status, length, err := parseHead(c.in[:end])
	if err != nil {
		return nil, fmt.Errorf("control port: %w", err)
	}
	for len(c.in) < end+length {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	body := c.in[end:]
	if len(body) > length {
		return nil, fmt.Errorf("control port: %d bytes after an answer", len(body)-length)
	}
	if status != 200 {
		return nil, &control.RefusedError{Status: status, Body: string(body[:min(len(body), 200)])}
	}
	return body, nil
}

// read reads once.
func (c *caller) read() error {
	if len(c.in) == cap(c.in) {
		c.in = append(c.in, 0)[:len(c.in)]
	}
	n, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	if n == 0 && err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	return nil
}

var lengthField = []byte("\r\ncontent-length:")

// parseHead parses the status and Content-Length, which is required.
func parseHead(head []byte) (status, length int, err error) {
	if len(head) < 13 || string(head[:9]) != "HTTP/1.1 " || head[12] != ' ' {
		return 0, 0, fmt.Errorf("not an HTTP/1.1 answer: %.40q", head)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, 0, fmt.Errorf("status %q", head[9:12])
	}
	for i := 0; i+len(lengthField) < len(head); i++ {
		if head[i] != '\r' || !bytes.EqualFold(head[i:i+len(lengthField)], lengthField) {
			continue
		}
		value, _, _ := bytes.Cut(head[i+len(lengthField):], []byte("\r"))
		length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || length < 0 || length > maxAnswerBody {
			return 0, 0, fmt.Errorf("Content-Length %q", value)
		}
		return status, length, nil
	}
	return 0, 0, fmt.Errorf("an answer without Content-Length: %.80q", head)
}
