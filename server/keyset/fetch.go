package keyset

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"castgate/server/token"
)

// Limits of one fetch.
const (
	fetchTimeout = 10 * time.Second // from the request to the last byte of the answer
	maxBody      = 256 << 10
	maxHead      = 64 << 10
	maxRedirects = 3
)

// CheckURL returns why a key set cannot be fetched from a URL. The URL must be
// https, or http to this host. It must not contain a user, which would end up in
// logs.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Hostname() == "":
		return errors.New("is not a URL such as https://login.example.com/jwks.json")
	case u.User != nil:
		return errors.New("has a user or password in its URL")
	case u.Fragment != "":
		return errors.New("has a fragment (#) in its URL, which is never sent to a server")
	case !secure(u):
		return errors.New("is fetched without TLS, so anyone on the network path could insert their own keys; use https://, or http:// to this host")
	}
	return nil
}

// secure reports whether nobody on the network path can change what a URL returns.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback())
}

// withoutQuery returns a URL for the log.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.Path
}

func newClient(c Config) http.Client {
	transport := c.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: fetchTimeout / 2}).DialContext,
			// One request an hour: keeping the connection open would gain nothing.
			DisableKeepAlives:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTimeout / 2,
			ResponseHeaderTimeout:  fetchTimeout / 2,
			MaxResponseHeaderBytes: maxHead,
		}
	}
	return http.Client{
		Transport: transport,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			// Never from https to http, not even to this host.
			if !secure(next.URL) || next.URL.Scheme != "https" && before[0].URL.Scheme == "https" {
				return errors.New("the answer redirects to a URL without TLS")
			}
			return nil
		},
	}
}

// fetch gets the set once. It returns the time until the next fetch.
func (s *Set) fetch(ctx context.Context) (next time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return 0, errors.New("invalid URL")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, whose query may hold a secret
		}
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the answer has status %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading the answer: %w", err)
	case len(text) > maxBody:
		return 0, fmt.Errorf("the answer has more than %d bytes", maxBody)
	}
	keys, skipped, err := token.KeySet(text)
	switch {
	case err != nil:
		return 0, err
	case len(keys) > MaxKeys:
		return 0, fmt.Errorf("the set has %d keys, more than %d", len(keys), MaxKeys)
	}
	if skipped > 0 {
		s.cfg.Log.Warn("skipped malformed keys of jwt-jwks", "from", withoutQuery(s.cfg.URL), "left_out", skipped, "keys", len(keys))
	}
	s.keys.Store(&keys)
	return s.refreshIn(answer.Header), nil
}

// refreshIn is the time until the next fetch: Config.Refresh, or less if the
// answer's max-age is shorter.
func (s *Set) refreshIn(head http.Header) time.Duration {
	next := s.cfg.Refresh
	for _, field := range head.Values("Cache-Control") {
		for directive := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if strings.EqualFold(name, "max-age") && err == nil {
				next = min(next, time.Duration(seconds)*time.Second)
			}
		}
	}
	return max(next, MinRefresh)
}
