package castgate

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Defaults of Options.
const (
	DefaultAddress        = "127.0.0.1:7273"
	DefaultConnectTimeout = 3 * time.Second
	DefaultTimeout        = 15 * time.Second // longer than castgate's --control-timeout
	DefaultRetries        = 2
	DefaultMaxBody        = 1_000_000 // bytes; castgate's --control-max-body is 1 MiB
	DefaultMaxCommands    = 10_000    // castgate's limit of a batch
)

// Options of New. The zero value is good for a gateway on this host without keys.
type Options struct {
	// Key is a key of the control API. If it is "", the variable
	// CASTGATE_CONTROL_KEY is used.
	Key string
	// ConnectTimeout limits how long a connection may take, TLS included.
	ConnectTimeout time.Duration
	// Timeout limits each attempt of a call. Of a listing it limits how long the
	// next row may take. A time-out is not retried.
	Timeout time.Duration
	// Retries is how often a call is repeated after the first attempt; below 0 is
	// never. A call is repeated if it has certainly not been executed: nobody
	// listened, or the gateway turned it away as busy. If that is not certain, a
	// query or a change of state is repeated, but never a push, a kick, a bind that
	// kicks, or a batch with one of these.
	Retries int
	// RetryPushes also repeats pushes and kicks that may have been executed. A
	// client may then get a message twice.
	RetryPushes bool
	// MaxBody and MaxCommands are the most bytes and commands of one request of a
	// batch. A longer batch takes several requests.
	MaxBody, MaxCommands int
	// TLS configures https addresses: authorities, client certificates.
	TLS *tls.Config
}

// Client calls one gateway. Any goroutine may use it.
type Client struct {
	base    string // URL without a slash at the end
	address string // for messages
	options Options
	http    http.Client
}

// New returns a client of the control API at an address: host:port, unix:/path, or
// an http or https URL, which may have a path. If it is "", the variable
// CASTGATE_CONTROL is used, or else DefaultAddress. New does not connect.
func New(address string, o Options) (*Client, error) {
	address = cmp.Or(address, os.Getenv("CASTGATE_CONTROL"), DefaultAddress)
	o.Key = cmp.Or(o.Key, os.Getenv("CASTGATE_CONTROL_KEY"))
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, DefaultConnectTimeout)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Retries = cmp.Or(o.Retries, DefaultRetries)
	o.MaxBody = cmp.Or(o.MaxBody, DefaultMaxBody)
	o.MaxCommands = cmp.Or(o.MaxCommands, DefaultMaxCommands)
	dialer := &net.Dialer{Timeout: o.ConnectTimeout}
	transport := &http.Transport{ // no Proxy: the control API is not for proxies of the environment
		DialContext:         dialer.DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.ConnectTimeout,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second, // castgate closes idle connections after a minute
	}
	c := &Client{address: address, options: o}
	c.http = http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
		c.base = "http://control"
		return c, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
		return nil, &Error{Code: CodeInvalidAddress, Detail: "the address " + c.address + " is none of host:port, unix:/path and an http or https URL", Err: err}
	}
	c.base = strings.TrimSuffix(u.String(), "/")
	return c, nil
}

// Close closes the connections that are kept. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }
