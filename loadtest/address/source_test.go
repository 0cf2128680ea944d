package address

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseSources(t *testing.T) {
	for list, want := range map[string]string{
		"":                                "[]",
		" ":                               "[]",
		"127.0.0.2":                       "[127.0.0.2]",
		"127.0.0.254-127.0.1.1":           "[127.0.0.254 127.0.0.255 127.0.1.0 127.0.1.1]",
		" 10.0.0.1 , 127.0.0.2-127.0.0.3": "[10.0.0.1 127.0.0.2 127.0.0.3]",
		"::1":                             "[::1]",
		"127.0.0.3-127.0.0.3":             "[127.0.0.3]",
	} {
		got, err := ParseSources(list)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", list, got, err, want)
		}
	}
	for list, want := range map[string]string{
		"nonsense":            "nonsense",
		"127.0.0.3-127.0.0.2": "ends before it begins",
		"127.0.0.3-::1":       "ends before it begins",
		"127.0.0.3-x":         "127.0.0.3-x",
		"127.0.0.3,":          "source",
		"10.0.0.0-10.2.0.0":   "more than 65536",
	} {
		if _, err := ParseSources(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", list, err, want)
		}
	}
}
