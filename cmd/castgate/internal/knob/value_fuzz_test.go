package knob

import (
	"encoding"
	"strings"
	"testing"
)

// FuzzValue: an accepted duration, size or rate has the same meaning when it is
// formatted and parsed again; accepted networks are masked.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{"0", "25s", "1m30s", "64KiB", "1.5MiB", "0.5", "10.0.0.0/8,fd00::/8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, d2 Duration
		var s, s2 Size
		var r, r2 Rate
		for _, v := range []struct {
			first, second interface {
				encoding.TextUnmarshaler
				String() string
			}
		}{{&d, &d2}, {&s, &s2}, {&r, &r2}} {
			if err := v.first.UnmarshalText([]byte(text)); err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%q: %q", text, err)
				}
				continue
			}
			if err := v.second.UnmarshalText([]byte(v.first.String())); err != nil || v.second.String() != v.first.String() {
				t.Errorf("%q is %s, and that is %s, %v", text, v.first, v.second, err)
			}
		}
		if d != d2 || s != s2 || r != r2 {
			t.Errorf("%q: %v and %v, %v and %v, %v and %v", text, d, d2, s, s2, r, r2)
		}
		networks, _, err := Networks(strings.Split(text, ","))
		for _, n := range networks {
			if err != nil || !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
				t.Errorf("%q: %v, %v", text, networks, err)
			}
		}
	})
}
