package castgate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	jsonType  = "application/json"
	linesType = "application/x-ndjson"

	// Pauses between attempts are random, up to a limit that begins here and
	// doubles. A Retry-After above longestPause is not waited for.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second

	// Most bytes that are read of an answer, of a line, and of an error.
	maxAnswer  = 64 << 20
	maxLine    = 64 << 20
	maxProblem = 1 << 20
)

// call is one call of the API.
type call struct {
	method, path string
	contentType  string
	body         []byte        // nil for none
	lines        bool          // the answer is NDJSON
	safe         bool          // executed twice is as good as once
	longer       time.Duration // than Options.Timeout, as the gateway waits before it answers
}

// stream is an open answer. Reading from it fails when the time-out is over: of the
// whole answer, or, of one in lines, of the next bytes.
type stream struct {
	io.ReadCloser
	limit  *watch
	lines  bool
	failed error // what reading has failed with
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.lines {
		s.limit.extend()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

// scanner splits the answer into lines. The piece of a line at which the connection
// broke is none.
func (s *stream) scanner() *bufio.Scanner {
	lines := bufio.NewScanner(s)
	lines.Buffer(nil, maxLine)
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		return bufio.ScanLines(data, atEOF && s.failed == nil)
	})
	return lines
}

// Close ends the request.
func (s *stream) Close() error {
	err := s.ReadCloser.Close()
	s.limit.stop()
	return err
}

// watch cancels a request that takes too long.
type watch struct {
	timer   *time.Timer
	timeout time.Duration
	cancel  context.CancelFunc
	expired atomic.Bool
}

func newWatch(ctx context.Context, timeout time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{timeout: timeout, cancel: cancel}
	w.timer = time.AfterFunc(timeout, func() {
		w.expired.Store(true)
		cancel()
	})
	return ctx, w
}

func (w *watch) extend() { w.timer.Reset(w.timeout) }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel()
}

// do makes a call and decodes its answer into answer.
func (c *Client) do(ctx context.Context, what call, answer any) error {
	in, err := c.open(ctx, what)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err != nil {
		return c.broken(ctx, err, in.limit, true)
	}
	return decode(text, answer)
}

// decode decodes an answer, or a row, which is always an object.
func decode(text []byte, answer any) error {
	err := json.Unmarshal(text, answer)
	if err == nil && bytes.TrimLeft(text, " \t\r\n")[0] != '{' {
		err = errors.New("it is not an object")
	}
	if err != nil {
		return malformed(http.StatusOK, err)
	}
	return nil
}

// open makes a call, several times if necessary, until its answer with status 200
// has begun.
func (c *Client) open(ctx context.Context, what call) (*stream, error) {
	limit := firstPause
	for attempt := 0; ; attempt++ {
		in, after, err := c.attempt(ctx, what)
		if err == nil || attempt >= c.options.Retries || !c.retried(what, err) || after > longestPause {
			if err != nil {
				return nil, err
			}
			return in, nil
		}
		if after < 0 {
			after = rand.N(limit)
			limit = min(2*limit, longestPause)
		}
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// retried tells whether a call that failed may be made again.
func (c *Client) retried(what call, err *Error) bool {
	switch {
	case err.Code == CodeTimeout || err.Code == CodeCanceled || err.Code == CodeDeadline:
		return false
	case err.Status == http.StatusTooManyRequests || err.Status == http.StatusServiceUnavailable && err.Code != CodeMalformed:
		return true // turned away
	case err.Code == CodeUnreachable && !err.Sent:
		return true
	case err.Code == CodeUnreachable || err.Code == CodeMalformed && err.Status >= 500:
		return what.safe || c.options.RetryPushes
	}
	return false
}

// attempt makes a request. after is what Retry-After says, below 0 if nothing.
func (c *Client) attempt(ctx context.Context, what call) (in *stream, after time.Duration, failed *Error) {
	ctx, limit := newWatch(ctx, c.options.Timeout+what.longer)
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	resp, err := c.roundTrip(traced, what)
	if err != nil {
		defer limit.stop()
		return nil, -1, c.broken(ctx, err, limit, sent.Load())
	}
	in = &stream{ReadCloser: resp.Body, limit: limit, lines: what.lines}
	if resp.StatusCode == http.StatusOK && what.lines {
		return in, -1, nil
	}
	defer in.Close()
	if resp.StatusCode == http.StatusOK { // a body that breaks off is an attempt that failed
		text, err := io.ReadAll(io.LimitReader(in, maxAnswer))
		if err != nil {
			return nil, -1, c.broken(ctx, err, limit, true)
		}
		return &stream{ReadCloser: io.NopCloser(bytes.NewReader(text)), limit: limit}, -1, nil
	}
	after = retryAfter(resp.Header.Get("Retry-After"))
	var p Problem
	text, err := io.ReadAll(io.LimitReader(in, maxProblem))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.Code == "" {
		return nil, after, malformed(resp.StatusCode, err)
	}
	return nil, after, &Error{Code: p.Code, Status: resp.StatusCode, Detail: p.Detail}
}

// retryAfter is a Retry-After, below 0 if it is no number of seconds.
func retryAfter(field string) time.Duration {
	if field == "" || strings.Trim(field, "0123456789") != "" {
		return -1
	}
	seconds, err := strconv.ParseInt(field, 10, 64)
	if err != nil || seconds > int64(longestPause/time.Second) {
		return longestPause + 1
	}
	return time.Duration(seconds) * time.Second
}

func (c *Client) roundTrip(ctx context.Context, what call) (*http.Response, error) {
	var body io.Reader
	if what.body != nil {
		body = bytes.NewReader(what.body)
	}
	req, err := http.NewRequestWithContext(ctx, what.method, c.base+what.path, body)
	if err != nil {
		return nil, err
	}
	if what.contentType != "" {
		req.Header.Set("Content-Type", what.contentType)
	}
	if what.lines {
		req.Header.Set("Accept", linesType)
	}
	if c.options.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	return c.http.Do(req)
}

// broken is the error of a connection that could not be made or has ended.
func (c *Client) broken(ctx context.Context, err error, limit *watch, sent bool) *Error {
	e := &Error{Code: CodeUnreachable, Sent: sent, Err: err, Detail: fmt.Sprintf("the control API at %s: %v", c.address, err)}
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return malformed(http.StatusOK, err)
	case limit.expired.Load():
		e.Code, e.Detail = CodeTimeout, fmt.Sprintf("the control API at %s has not answered within %v", c.address, limit.timeout)
	case ctx.Err() != nil:
		e.Code = CodeCanceled
	case !sent && isTimeout(err):
		e.Code = CodeTimeout
	}
	return e
}

func isTimeout(err error) bool {
	t := interface{ Timeout() bool }(nil)
	return errors.As(err, &t) && t.Timeout()
}

func malformed(status int, err error) *Error {
	return &Error{Code: CodeMalformed, Status: status, Sent: true, Err: err, Detail: fmt.Sprintf("an answer with status %d that is not castgate's", status)}
}
