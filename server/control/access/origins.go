package access

import (
	"slices"

	"castgate/server/origin"
	"castgate/server/setting"
)

// MaxOrigins is the largest number of origins in Access.Origins.
const MaxOrigins = 64

// validateOrigins reports what is wrong with Origins.
func (a *Access) validateOrigins() error {
	if n := len(a.Origins); n > MaxOrigins {
		return setting.Errorf("control-cors-origins", "%d origins are more than %d", n, MaxOrigins)
	}
	for _, o := range a.Origins {
		if _, err := origin.Exact(o); err != nil {
			return setting.Named("control-cors-origins", err)
		}
	}
	if len(a.Origins) > 0 && !a.Keyed() {
		return setting.Errorf("control-cors-origins", "needs control-key or control-keys-file: without keys the control API refuses all browser pages")
	}
	return nil
}

// exactOrigins are valid Origins in the form that browsers send.
func exactOrigins(items []string) (list []string) {
	for _, item := range items {
		if o, err := origin.Exact(item); err == nil {
			list = append(list, o)
		}
	}
	return list
}

// Lets reports whether pages of an origin may read answers. Browsers send it in
// one canonical form, which is compared byte by byte.
// It may be called from any goroutine.
func (c *Checker) Lets(origin []byte) bool {
	return slices.ContainsFunc(c.origins, func(o string) bool { return o == string(origin) })
}

// Shares reports whether pages of any origin may.
func (c *Checker) Shares() bool { return len(c.origins) > 0 }
