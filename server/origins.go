package server

import (
	"net/url"
	"strings"
)

// origins are the browser origins that may connect.
type origins struct {
	any     bool
	exact   map[string]bool // scheme://host[:port], or host[:port] for any scheme
	domains []string        // .example.com, with the scheme in front if one was given
}

// validOrigin tells whether o may stand in Policy.AllowedOrigins: what no
// browser sends as an origin, one with a path for instance, would allow nobody.
func validOrigin(o string) bool {
	o = strings.TrimSuffix(strings.TrimSpace(o), "/")
	if scheme, host, ok := strings.Cut(o, "://"); ok {
		if scheme == "" {
			return false
		}
		o = host
	}
	if domain, ok := strings.CutPrefix(o, "*."); ok {
		o = domain
	}
	return o != "" && !strings.ContainsAny(o, "*/\\?#@ \t")
}

func newOrigins(allowed []string) origins {
	o := origins{any: len(allowed) == 0, exact: map[string]bool{}}
	for _, a := range allowed {
		a = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(a), "/"))
		if before, domain, ok := strings.Cut(a, "*"); ok {
			o.domains = append(o.domains, before+"*"+domain)
		} else {
			o.exact[a] = true
		}
	}
	return o
}

// allow tells whether a request with this Origin header may become a client
// (RFC 6455 section 10.2). *.example.com is any host below example.com, not
// example.com itself. Any goroutine.
func (o *origins) allow(origin []byte) bool {
	if o.any {
		return true
	}
	text := strings.ToLower(string(origin))
	if o.exact[text] {
		return true
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false // "null" among others
	}
	if o.exact[u.Host] || o.exact[u.Hostname()] {
		return true
	}
	for _, d := range o.domains {
		scheme, domain, _ := strings.Cut(d, "*")
		host := u.Hostname()
		if strings.Contains(domain, ":") {
			host = u.Host
		}
		if strings.HasSuffix(host, domain) && len(host) > len(domain) && (scheme == "" || scheme == u.Scheme+"://") {
			return true
		}
	}
	return false
}
