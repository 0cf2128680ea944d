package origin

import (
	"bytes"
	"strings"
)

// Set is the browser origins that may connect. The zero value allows none.
type Set struct {
	any   bool
	rules map[Rule]bool
}

// NewSet makes the set of valid items; without any it allows all.
func NewSet(allowed []string) Set {
	o := Set{any: len(allowed) == 0, rules: map[Rule]bool{}}
	for _, item := range allowed {
		if rule, err := Parse(item); err == nil {
			o.rules[rule] = true
		}
	}
	return o
}

// maxOrigin is the longest Origin header in bytes that is looked at. A host has
// 253 at most, and the work of Allow grows with their square.
const maxOrigin = 300

// Allow tells whether a request with this Origin header may become a client
// (RFC 6455 section 10.2). Any goroutine.
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

// has looks for a rule that has an origin. A host with n labels is n lookups,
// however many rules there are.
func (o *Set) has(scheme, host string, port uint16) bool {
	for below := false; ; below = true {
		for _, rule := range [...]Rule{
			{scheme, host, port, below, false}, {scheme, host, 0, below, false},
			{"", host, port, below, false}, {"", host, 0, below, false},
		} {
			// https://a.example is the default port only, https://*.a.example any.
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
