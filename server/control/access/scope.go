package access

import (
	"fmt"
	"strings"
)

// Scope is a set of rights at the control API.
type Scope uint8

// The rights. None includes another.
const (
	// ScopeRead allows queries, listings, counters, metrics and the OpenAPI
	// document.
	ScopeRead Scope = 1 << iota
	// ScopePush allows pushes.
	ScopePush
	// ScopeManage allows changing who is who, ending connections and changing
	// the gateway: bind, unbind, join, leave, ungroup, kick, sessions, reload.
	ScopeManage

	// AllScopes is every right.
	AllScopes = ScopeRead | ScopePush | ScopeManage
)

var scopeNames = []struct {
	scope Scope
	name  string
}{{ScopeRead, "read"}, {ScopePush, "push"}, {ScopeManage, "manage"}}

// ParseScopes parses names separated by commas, as String writes them.
func ParseScopes(text string) (Scope, error) {
	var set Scope
	for name := range strings.SplitSeq(text, ",") {
		one := Scope(0)
		for _, s := range scopeNames {
			if s.name == name {
				one = s.scope
			}
		}
		if one == 0 {
			return 0, fmt.Errorf("%.32q is not one of the scopes read, push, manage", name)
		}
		set |= one
	}
	return set, nil
}

// String returns the names of the rights in s, separated by commas.
func (s Scope) String() string {
	var names []string
	for _, one := range scopeNames {
		if s&one.scope != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ",")
}
