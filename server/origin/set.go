package origin

import (
	"bytes"
	"strings"
)

// Set is the set of browser origins that may connect. The zero value allows none.
type Set struct {
	any   bool
	rules map[Rule]bool
}

// NewSet returns the set of valid items. An empty list allows every origin.
func NewSet(allowed []string) Set {
	o := Set{any: len(allowed) == 0, rules: map[Rule]bool{}}
	for _, item := range allowed {
		if rule, err := Parse(item); err == nil {
			o.rules[rule] = true
		}
	}
	return o
}

// maxOrigin is the longest accepted Origin header in bytes. A host has at most 253
// characters, and the work of Allow grows with the square of its length.
const maxOrigin = 300

// Allow reports whether a request with this Origin header may become a client (RFC
// 6455 section 10.2). It may be called from any goroutine.
func (o *Set) Allow(origin []byte) bool {
	if o.any {
		return true
	}
	if len(origin) > maxOrigin {
		return false
	}
	text := string(bytes.ToLower(origin))
	if o.rules[Rule{host: text, whole: true}] {
		return true
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !isScheme(scheme) {
		return false
	}
	host, port, ok := cutPort(rest)
	if !ok || !isHost(host) {
		return false
	}
	if port == 0 {
		port = defaultPorts[scheme]
	}
	return o.has(scheme, host, port)
}

// has reports whether a rule matches an origin. A host of n labels takes n lookups,
// however many rules there are.
func (o *Set) has(scheme, host string, port uint16) bool {
	for below := false; ; below = true {
		for _, rule := range [...]Rule{
			{scheme, host, port, below, false}, {scheme, host, 0, below, false},
			{"", host, port, below, false}, {"", host, 0, below, false},
		} {
			// https://a.example is the default port only, https://*.a.example any
			// port.
			if o.rules[rule] && (rule.port == port || rule.scheme == "" || below) {
				return true
			}
		}
		dot := strings.IndexByte(host, '.')
		if dot <= 0 || dot == len(host)-1 {
			return false
		}
		host = host[dot+1:]
	}
}
