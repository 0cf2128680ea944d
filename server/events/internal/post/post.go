// Package post sends requests to backends, and bounds what they may answer.
package post

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"castgate/server/events/internal/sign"
)

// Limits of what a backend may do.
const (
	maxHead = 64 << 10
	// readLen is how much of an answer's body is read at most so that its connection
	// can be used again, and readTime how long that may take.
	readLen  = 64 << 10
	readTime = time.Second
	// mostRetryAfter is the longest pause that a backend may ask for.
	mostRetryAfter = time.Hour
)

// NewTransport returns a transport for so many requests at once to one backend.
func NewTransport(requests int, timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn{c}, nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout,
		MaxIdleConnsPerHost:    requests,
		MaxConnsPerHost:        requests,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true, // bodies count as they come
		ForceAttemptHTTP2:      true,
	}
}

// Client POSTs to one URL. Any goroutine.
type Client struct {
	URL       string
	Transport http.RoundTripper
}

// Outcome is what became of an attempt.
type Outcome uint8

// The outcomes.
const (
	Accepted    Outcome = iota // 2xx
	Unreached                  // no connection, no TLS, no address
	Throttled                  // 429, 502, 503, 504
	Paused                     // 410: this receiver wants nothing any more
	Redirected                 // 3xx: never followed
	Refused                    // any other status
	Unanswered                 // the request was sent, and no answer came
	NumOutcomes = Unanswered + 1
)

// String is the outcome as a metric says it.
func (o Outcome) String() string {
	return [NumOutcomes]string{"accepted", "unreached", "throttled", "paused", "redirected", "refused", "unanswered"}[o]
}

// Result is what an attempt has come to.
type Result struct {
	Outcome    Outcome
	Status     int           // 0 without an answer
	RetryAfter time.Duration // 0: the backend has not asked for a pause
	// Body and ContentType are of the answer, where the request wanted it.
	Body        []byte
	ContentType string
	Err         error // says more for the log, without the query of the URL; nil if Accepted
}

// Request is what is sent.
type Request struct {
	ID          string // webhook-id
	ContentType string
	Body        []byte
	Release     func() // called when nobody reads Body any more; may be nil
	Secrets     []sign.Secret
	Timeout     time.Duration // for all of it
	Now         time.Time
	// Answer is how many bytes the body of an answer that is wanted may have; 0
	// reads it only to use the connection again.
	Answer int
}

// Do makes one attempt.
func (c *Client) Do(ctx context.Context, r *Request) Result {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	body := &content{b: r.Body, release: r.Release}
	body.readers.Store(1)
	defer body.close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, nil)
	if err != nil {
		return Result{Outcome: Unreached, Err: errors.New("invalid URL")}
	}
	request.ContentLength, request.GetBody = int64(len(r.Body)), body.open
	request.Body, _ = body.open()
	request.Header.Set("Content-Type", r.ContentType)
	request.Header.Set("User-Agent", "castgate")
	request.Header.Set(sign.HeaderID, r.ID)
	request.Header.Set(sign.HeaderTimestamp, strconv.FormatInt(r.Now.Unix(), 10))
	if s := sign.Signature(r.Secrets, r.ID, r.Now, r.Body); s != "" {
		request.Header.Set(sign.HeaderSignature, s)
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return failed(ctx, err, r.Timeout)
	}
	defer func() { _ = answer.Body.Close() }()
	result := judge(answer, r.Now)
	if r.Answer > 0 {
		body, err := io.ReadAll(io.LimitReader(answer.Body, int64(r.Answer)+1))
		switch {
		case err != nil:
			return failed(ctx, err, r.Timeout)
		case len(body) > r.Answer:
			result.Outcome, result.Err = Refused, fmt.Errorf("the answer has more than %d bytes", r.Answer)
		}
		result.Body, result.ContentType = body, answer.Header.Get("Content-Type")
		return result
	}
	late := time.AfterFunc(readTime, cancel)
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, answer.Body, readLen) // beyond that the connection ends
	return result
}

// failed tells an attempt that found nobody from one that was not answered: only
// the latter may have to do with what was sent.
func failed(ctx context.Context, err error, timeout time.Duration) Result {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // without the URL, whose query may hold a secret
	}
	outcome := Unanswered
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		outcome = Unreached
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		outcome = Unreached
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || strings.HasPrefix(err.Error(), "tls: ") || strings.HasPrefix(err.Error(), "remote error: tls: ") {
		outcome = Unreached
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		outcome = Unreached
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", timeout)
	}
	return Result{Outcome: outcome, Err: err}
}

// judge says what a status means.
func judge(answer *http.Response, now time.Time) Result {
	r := Result{Status: answer.StatusCode, Outcome: Refused}
	switch s := answer.StatusCode; {
	case s >= 200 && s < 300:
		r.Outcome = Accepted
		return r
	case s == http.StatusGone:
		r.Outcome = Paused
	case s == http.StatusTooManyRequests, s == http.StatusBadGateway, s == http.StatusServiceUnavailable, s == http.StatusGatewayTimeout:
		r.Outcome = Throttled
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		r.Err = fmt.Errorf("the answer has status %d; does the backend know the secret that events-secret names, and the right time?", s)
	case s >= 300 && s < 400:
		r.Outcome = Redirected
		r.Err = fmt.Errorf("the answer has status %d; redirects are not followed, so set the URL that it leads to", s)
	}
	r.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), now)
	if r.Err == nil {
		r.Err = fmt.Errorf("the answer has status %d", answer.StatusCode)
	}
	return r
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0 for neither.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, mostRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), mostRetryAfter)
	}
	return 0
}
