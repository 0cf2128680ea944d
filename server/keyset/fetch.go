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
	fetchTimeout = 10 * time.Second // all of it
	maxBody      = 256 << 10
	maxHead      = 64 << 10
	maxRedirects = 3
)

// CheckURL reports why a set can't be fetched from a URL: it must be https, or
// http to this host, and have no user, which would end up in logs.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Hostname() == "":
		return errors.New("is no URL such as https://login.example.com/jwks.json")
	case u.User != nil:
		return errors.New("has a user or password in its URL")
	case u.Fragment != "":
		return errors.New("has a fragment (#) in its URL, which is not sent")
	case !secure(u):
		return errors.New("is fetched without TLS, and whoever is on the way could put in keys of their own; use https://, or http:// to this host")
	}
	return nil
}

// secure tells whether nobody on the way can change what comes from a URL.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback())
}

// where is a URL for the log, without its query.
func where(text string) string {
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
			// Once an hour: a connection that waits would be of no use.
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
			// From https never to http, not even to this host.
			if !secure(next.URL) || next.URL.Scheme != "https" && before[0].URL.Scheme == "https" {
				return errors.New("a redirect to a URL without TLS")
			}
			return nil
		},
	}
}

// fetch gets the set once. It returns when the next one is due.
func (s *Set) fetch(ctx context.Context) (next time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return 0, errors.New("the URL can't be asked for")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // without the URL, whose query may be somebody's secret
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
		return 0, fmt.Errorf("the answer ended: %w", err)
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
		s.cfg.Log.Warn("keys of jwt-jwks are not good and left out", "from", where(s.cfg.URL), "left_out", skipped, "keys", len(keys))
	}
	s.keys.Store(&keys)
	return s.due(answer.Header), nil
}

// due is the time to the next fetch: Config.Refresh, or less if the answer says
// that it may be kept for less.
func (s *Set) due(head http.Header) time.Duration {
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
